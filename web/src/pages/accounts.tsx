/** All accounts: filters, columns and order are in the address. */
import { Button, Checkbox, Group, Menu, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconColumns, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { useNow, useSegments } from '../api/shared';
import { Word, Zone } from '../parts/badges';
import { ago, date, number, shown } from '../parts/format';
import { PageLink } from '../parts/link';
import { Empty, Page } from '../parts/page';
import { type Column, DataTable } from '../parts/table';
import { accountName, traits } from '../parts/traits';
import { useUrl } from '../parts/url';
import { t } from '../texts';

/** Health is newer than the committed document of the API. */
type Account = Schemas['AccountRow'] & { health_zone?: string | null; health_score?: number | null };

/** Columns when nobody chose any. */
const USUAL = ['health', 'plan', 'status', 'mrr', 'seats', 'owner', 'renewal', 'seen'];
/** After how many milliseconds without a key a filter applies. */
const PAUSE_MS = 250;

function columns(now: number): Column<Account>[] {
  const trait = (name: string) => (row: Account) => shown(traits(row).all[name]);
  return [
    { key: 'health', title: t.accounts.health, cell: (row) => <Zone zone={row.health_zone} score={row.health_score} /> },
    { key: 'plan', title: t.accounts.plan, cell: trait('plan') },
    { key: 'status', title: t.accounts.status, cell: (row) => (traits(row).text('status') ? <Word word={traits(row).text('status') ?? ''} /> : t.none) },
    { key: 'mrr', title: t.accounts.mrr, number: true, cell: (row) => number(traits(row).number('mrr')) },
    { key: 'seats', title: t.accounts.seats, number: true, cell: (row) => number(traits(row).number('seats')) },
    { key: 'owner', title: t.accounts.owner, cell: (row) => traits(row).text('owner_name') ?? shown(traits(row).all.owner) },
    { key: 'renewal', title: t.accounts.renewal, cell: (row) => date(traits(row).text('renewal_date')) },
    { key: 'segments', title: t.accounts.segments, cell: (row) => row.segments.join(', ') || t.none },
    { key: 'seen', title: t.accounts.seen, cell: (row) => ago(row.seen_at, now) },
  ];
}

const name: Column<Account> = {
  key: 'name',
  title: t.accounts.name,
  cell: (row) => (
    <PageLink to={`/accounts/${row.id}`} fw={600}>
      {accountName(row)}
    </PageLink>
  ),
};

export default function AccountsPage() {
  const [url, change] = useUrl();
  const navigate = useNavigate();
  const now = useNow();
  const { data: workspace } = useQuery({ queryKey: ['workspace'], queryFn: () => read(api.GET('/api/v1/workspace')) });
  const list = useList<Account>(['accounts', url.segment, url.id], (cursor) =>
    read(api.GET('/api/v1/accounts', { params: { query: { segment: url.segment, external_id: url.id, cursor, limit: 100 } } })),
  );
  const all = columns(now);
  const chosen = url.columns?.split(',') ?? USUAL;
  const filtered = Boolean(url.segment || url.id);
  const clear = <Button onClick={() => change({ segment: null, id: null })}>{t.accounts.clear}</Button>;
  const empty = filtered ? <Empty title={t.accounts.emptyFilter} fix={t.accounts.emptyFilterFix} action={clear} /> : <Empty title={t.accounts.empty} fix={t.accounts.emptyFix} />;
  return (
    <Page title={t.accounts.title} about={workspace && t.accounts.about(workspace.account_count)} actions={<Columns all={all} chosen={chosen} />}>
      <Filters />
      <DataTable
        label={t.accounts.title}
        list={list}
        columns={[name, ...all.filter((column) => chosen.includes(column.key))]}
        rowKey={(row) => row.id}
        onOpen={(row) => void navigate({ to: `/accounts/${row.id}` as never })}
        empty={empty}
      />
    </Page>
  );
}

function Filters() {
  const [url, change] = useUrl();
  const segments = useSegments('account');
  const find = useDebouncedCallback((id: string) => change({ id }), PAUSE_MS);
  return (
    <Group>
      <Select
        aria-label={t.accounts.inSegment}
        placeholder={t.accounts.inSegment}
        data={segments}
        value={url.segment ?? null}
        onChange={(segment) => change({ segment })}
        clearable
        searchable
        clearButtonProps={{ 'aria-label': t.accounts.clear }}
      />
      <TextInput
        aria-label={t.accounts.findId}
        placeholder={t.accounts.findId}
        leftSection={<IconSearch size={16} aria-hidden />}
        defaultValue={url.id}
        onChange={(event) => find(event.currentTarget.value)}
      />
    </Group>
  );
}

function Columns({ all, chosen }: { all: Column<Account>[]; chosen: string[] }) {
  const [, change] = useUrl();
  const toggle = (key: string) => {
    const next = chosen.includes(key) ? chosen.filter((known) => known !== key) : [...chosen, key];
    change({ columns: next.join(',') });
  };
  return (
    <Menu closeOnItemClick={false} position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconColumns size={16} aria-hidden />}>
          {t.accounts.columns}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {all.map((column) => (
          <Menu.Item key={column.key} onClick={() => toggle(column.key)} leftSection={<Checkbox size="xs" checked={chosen.includes(column.key)} readOnly tabIndex={-1} aria-hidden />}>
            {column.title}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
