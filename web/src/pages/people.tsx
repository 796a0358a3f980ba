import { Group, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { useNow, useSegments } from '../api/shared';
import { Word } from '../parts/badges';
import { ago, shown } from '../parts/format';
import { PageLink } from '../parts/link';
import { Empty, Page } from '../parts/page';
import { type Column, DataTable } from '../parts/table';
import { personName, traits } from '../parts/traits';
import { useUrl } from '../parts/url';
import { t } from '../texts';

type Person = Schemas['PersonRow'];

/** After how many milliseconds without a key a filter applies. */
const PAUSE_MS = 250;

const columns = (now: number): Column<Person>[] => [
  { key: 'name', title: t.people.name, cell: (row) => <PageLink to={`/people/${row.id}`} fw={600}>{personName(row)}</PageLink> },
  { key: 'email', title: t.people.email, cell: (row) => row.emails[0] ?? t.none },
  { key: 'role', title: t.people.role, cell: (row) => shown(traits(row).all.role) },
  { key: 'segments', title: t.people.segments, cell: (row) => row.segments.join(', ') || t.none },
  { key: 'consent', title: t.people.consent, cell: (row) => (row.suppressed ? <Word word="suppressed" /> : t.none) },
  { key: 'seen', title: t.people.seen, cell: (row) => ago(row.seen_at, now) },
];

export default function PeoplePage() {
  const [url, change] = useUrl();
  const navigate = useNavigate();
  const now = useNow();
  const segments = useSegments('person');
  const find = useDebouncedCallback((text: string) => change({ find: text }), PAUSE_MS);
  const named = url.find ? (url.find.includes('@') ? { email: url.find } : { user_id: url.find }) : {};
  const list = useList<Person>(['people', url.segment, url.find], (cursor) => read(api.GET('/api/v1/people', { params: { query: { segment: url.segment, ...named, cursor, limit: 100 } } })));
  return (
    <Page title={t.people.title}>
      <Group>
        <Select aria-label={t.accounts.inSegment} placeholder={t.accounts.inSegment} data={segments} value={url.segment ?? null} onChange={(segment) => change({ segment })} clearable searchable clearButtonProps={{ 'aria-label': t.accounts.clear }} />
        <TextInput aria-label={t.people.find} placeholder={t.people.find} leftSection={<IconSearch size={16} aria-hidden />} defaultValue={url.find} onChange={(event) => find(event.currentTarget.value)} />
      </Group>
      <DataTable
        label={t.people.title}
        list={list}
        columns={columns(now)}
        rowKey={(row) => row.id}
        onOpen={(row) => void navigate({ to: `/people/${row.id}` as never })}
        empty={url.find || url.segment ? <Empty title={t.accounts.emptyFilter} fix={t.accounts.emptyFilterFix} /> : <Empty title={t.people.empty} fix={t.people.emptyFix} />}
      />
    </Page>
  );
}
