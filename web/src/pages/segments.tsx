import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { number } from '../parts/format';
import { PageButton, PageLink } from '../parts/link';
import { Empty, Page } from '../parts/page';
import { DataTable } from '../parts/table';
import { useMay } from '../shell/user';
import { t } from '../texts';

type Segment = Schemas['SegmentRow'];

export default function SegmentsPage() {
  const navigate = useNavigate();
  const may = useMay('definitions:write');
  const list = useList<Segment>(['segments', 'list'], (cursor) => read(api.GET('/api/v1/segments', { params: { query: { cursor, limit: 200 } } })));
  const create = may && <PageButton to="/segments/new">{t.segments.new}</PageButton>;
  return (
    <Page title={t.segments.title} about={t.segments.about} actions={create}>
      <Backfill />
      <DataTable
        label={t.segments.title}
        list={list}
        rowKey={(row) => row.name}
        onOpen={(row) => void navigate({ to: `/segments/${row.name}` as never })}
        empty={<Empty title={t.segments.empty} fix={t.segments.emptyFix} action={create} />}
        columns={[
          { key: 'name', title: t.segments.name, cell: (row) => <PageLink to={`/segments/${row.name}`} fw={600}>{row.name}</PageLink> },
          { key: 'members', title: t.segments.members, number: true, cell: (row) => number(row.member_count) },
          { key: 'audience', title: t.segments.audience, cell: (row) => t.subject[row.audience] ?? row.audience },
          { key: 'sentence', title: t.segments.sentence, cell: (row) => <span title={row.sentence}>{row.sentence}</span> },
        ]}
      />
    </Page>
  );
}

/** How far the past of a new definition is read. */
function Backfill() {
  const { data } = useQuery({ queryKey: ['backfill'], queryFn: () => read(api.GET('/api/v1/backfill')), refetchInterval: 5_000 });
  const progress = data as { done?: boolean; read_count?: number; total_count?: number } | undefined;
  if (!progress || progress.done !== false) return null;
  return <Text role="status">{`${number(progress.read_count)} / ${number(progress.total_count)}`}</Text>;
}
