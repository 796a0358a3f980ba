/** Who is signed in. The cookie is out of reach of scripts; the token proves that a request is the console's own. */
import { queryOptions } from '@tanstack/react-query';

import { queries } from './queries';

export interface User {
  id: string;
  name: string;
  email: string;
  role: string;
  /** As whom accounts name them. */
  owner: string;
  one_time_codes: boolean;
  own_accounts_only: boolean;
  scopes: string[];
  csrf: string;
}

export type SignIn = { user: User } | { fault: string; detail: string };

let token = '';

/** The token of the session, for requests that change something. */
export const csrfToken = () => token;

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': token };
  const response = await fetch(`/console/session${path}`, { headers, ...init });
  return (await response.json()) as T;
}

/** The signed-in user, or null. */
export const whoami = queryOptions({
  queryKey: ['session'],
  staleTime: Infinity,
  queryFn: async () => {
    const { user } = await ask<{ user: User | null }>('');
    token = user?.csrf ?? '';
    return user;
  },
});

export async function signIn(email: string, password: string, code: string): Promise<SignIn> {
  const answer = await ask<SignIn>('', { method: 'POST', body: JSON.stringify({ email, password, code }) });
  if ('user' in answer) {
    token = answer.user.csrf;
    queries.clear();
    queries.setQueryData(whoami.queryKey, answer.user);
  }
  return answer;
}

export async function signOut(): Promise<void> {
  await ask('', { method: 'DELETE' });
  token = '';
  queries.clear();
  location.assign('/sign-in');
}

/** Begins one-time codes: the key for an authenticator. */
export const beginCodes = () => ask<{ key: string }>('/codes', { method: 'POST' });

/** Turns one-time codes on with the first right code. */
export const confirmCodes = (code: string) =>
  ask<{ detail?: string }>('/codes/confirm', { method: 'POST', body: JSON.stringify({ code }) });

/** An answer said that the session is over: back to signing in, and then to here. */
export function sessionIsOver(): void {
  if (queries.getQueryData(whoami.queryKey)) queries.setQueryData(whoami.queryKey, null);
}
