/** The command palette: pages by name, accounts by external id, people by e-mail address. */
import { useDebouncedValue } from '@mantine/hooks';
import { Spotlight, type SpotlightActionData, type SpotlightActionGroupData } from '@mantine/spotlight';
import { IconBuilding, IconSearch, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';

import { api, read } from '../api/client';
import type { User } from '../api/session';
import { traits } from '../parts/traits';
import { t } from '../texts';
import { reachable } from './pages';

/** From how many letters on customers are looked up. */
const LETTERS_MIN = 3;
/** After how many milliseconds without a key. */
const PAUSE_MS = 200;

export default function Palette({ user }: { user: User }) {
  const [text, setText] = useState('');
  const [settled] = useDebouncedValue(text.trim(), PAUSE_MS);
  const navigate = useNavigate();
  const go = (to: string) => () => void navigate({ to: to as never });
  const found = useFound(settled, user);
  const pages: SpotlightActionData[] = reachable(user).map((entry) => ({
    id: entry.to,
    label: entry.label,
    leftSection: <entry.icon size={20} stroke={1.6} />,
    onClick: go(entry.to),
  }));
  const groups: SpotlightActionGroupData[] = [
    { group: t.shell.accounts, actions: found.accounts.map((hit) => ({ ...hit, leftSection: <IconBuilding size={20} />, onClick: go(`/accounts/${hit.id}`) })) },
    { group: t.shell.people, actions: found.people.map((hit) => ({ ...hit, leftSection: <IconUser size={20} />, onClick: go(`/people/${hit.id}`) })) },
    { group: t.shell.pages, actions: pages },
  ];
  return (
    <Spotlight
      actions={groups}
      query={text}
      onQueryChange={setText}
      shortcut={['mod + K', '/']}
      nothingFound={t.shell.nothingFound}
      searchProps={{ leftSection: <IconSearch size={20} />, placeholder: t.shell.find, 'aria-label': t.shell.find }}
      scrollable
      maxHeight={420}
    />
  );
}

interface Hit {
  id: string;
  label: string;
  description: string;
}

function useFound(text: string, user: User): { accounts: Hit[]; people: Hit[] } {
  const { data } = useQuery({
    queryKey: ['find', text],
    enabled: text.length >= LETTERS_MIN && !user.own_accounts_only,
    queryFn: async () => {
      const [accounts, people] = await Promise.all([
        read(api.GET('/api/v1/accounts', { params: { query: { external_id: text } } })),
        read(api.GET('/api/v1/people', { params: { query: text.includes('@') ? { email: text } : { user_id: text } } })),
      ]);
      return {
        accounts: accounts.data.map((row) => ({ id: row.id, label: traits(row).text('name') ?? row.id, description: text })),
        people: people.data.map((row) => ({ id: row.id, label: traits(row).text('name') ?? row.id, description: text })),
      };
    },
  });
  return data ?? { accounts: [], people: [] };
}
