/** Questions that several pages ask. */
import { useQuery } from '@tanstack/react-query';

import { useUser } from '../shell/user';
import { accountName, personName } from '../parts/traits';
import { api, read } from './client';

/** A whole list of names is asked for at once, up to this many. */
const NAMES_MAX = 500;

/** The server's time in milliseconds (a demo's runs ahead), as of the last look. */
export function useNow(): number {
  const user = useUser();
  const { data } = useQuery({
    queryKey: ['workspace'],
    queryFn: () => read(api.GET('/api/v1/workspace')),
    enabled: !user.own_accounts_only,
  });
  return data ? Date.parse(data.now) : Date.now();
}

/** Names of the segments of an audience. */
export function useSegments(audience?: string): string[] {
  const { data } = useQuery({ queryKey: ['segments'], queryFn: () => read(api.GET('/api/v1/segments', { params: { query: { limit: NAMES_MAX } } })) });
  return (data?.data ?? []).filter((row) => !audience || row.audience === audience).map((row) => row.name);
}

/** Names of the programs. */
export function usePrograms(): string[] {
  const { data } = useQuery({ queryKey: ['programs'], queryFn: () => read(api.GET('/api/v1/programs', { params: { query: { limit: NAMES_MAX } } })) });
  return (data?.data ?? []).map((row) => row.name);
}

/** For how long a name counts as fresh, in milliseconds. */
const NAME_STALE_MS = 300_000;

/** What people call a subject. */
export function useSubjectName(id: string): string {
  const isAccount = id.startsWith('acc_');
  const account = useQuery({
    queryKey: ['account', id],
    queryFn: () => read(api.GET('/api/v1/accounts/{account}', { params: { path: { account: id } } })),
    enabled: isAccount,
    staleTime: NAME_STALE_MS,
  });
  const person = useQuery({
    queryKey: ['person', id],
    queryFn: () => read(api.GET('/api/v1/people/{person}', { params: { path: { person: id } } })),
    enabled: id.startsWith('per_'),
    staleTime: NAME_STALE_MS,
  });
  if (account.data) return accountName(account.data);
  if (person.data) return personName(person.data);
  return id;
}
