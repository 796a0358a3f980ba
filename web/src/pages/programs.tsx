import { useNavigate } from '@tanstack/react-router';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { Word } from '../parts/badges';
import { number, percent } from '../parts/format';
import { PageButton, PageLink } from '../parts/link';
import { Empty, Page } from '../parts/page';
import { DataTable } from '../parts/table';
import { useMay } from '../shell/user';
import { t } from '../texts';

type Program = Schemas['ProgramRow'];

export default function ProgramsPage() {
  const navigate = useNavigate();
  const may = useMay('definitions:write');
  const list = useList<Program>(['programs', 'list'], (cursor) => read(api.GET('/api/v1/programs', { params: { query: { cursor, limit: 200 } } })));
  const create = may && <PageButton to="/programs/new">{t.programs.new}</PageButton>;
  return (
    <Page title={t.programs.title} about={t.programs.about} actions={create}>
      <DataTable
        label={t.programs.title}
        list={list}
        rowKey={(row) => row.name}
        onOpen={(row) => void navigate({ to: `/programs/${row.name}` as never })}
        empty={<Empty title={t.programs.empty} fix={t.programs.emptyFix} action={create} />}
        columns={[
          { key: 'name', title: t.programs.name, cell: (row) => <PageLink to={`/programs/${row.name}`} fw={600}>{row.name}</PageLink> },
          { key: 'state', title: t.programs.state, cell: (row) => <Word word={row.paused ? 'paused' : 'running'} /> },
          { key: 'inside', title: t.programs.inside, number: true, cell: (row) => number((row.counts as Record<string, number>).active ?? 0) },
          { key: 'holdout', title: t.programs.holdout, number: true, cell: (row) => percent(row.holdout) },
          { key: 'audience', title: t.segments.audience, cell: (row) => t.subject[row.audience] ?? row.audience },
          { key: 'enter', title: t.programs.enter, cell: (row) => <span title={row.enter}>{row.enter}</span> },
        ]}
      />
    </Page>
  );
}
