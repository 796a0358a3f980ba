import { Group, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';

import { api, read } from '../api/client';
import { useList } from '../api/lists';
import { usePrograms } from '../api/shared';
import { Empty, Page } from '../parts/page';
import { type Decision, decisionColumns } from '../parts/records';
import { Subject } from '../parts/subject';
import { type Column, DataTable } from '../parts/table';
import { useUrl } from '../parts/url';
import { t } from '../texts';

/** After how many milliseconds without a key a filter applies. */
const PAUSE_MS = 300;
const OUTCOMES = ['entered', 'held_out', 'sent', 'capped', 'waiting', 'resumed', 'took', 'skipped', 'suppressed', 'no_consent', 'quiet_hours', 'exited', 'completed'];

const who: Column<Decision> = { key: 'subject', title: t.decisions.subject, cell: (row) => <Subject id={row.subject} /> };

export default function DecisionsPage() {
  const [url, change] = useUrl();
  const programs = usePrograms();
  const find = useDebouncedCallback((subject: string) => change({ subject: subject.trim() }), PAUSE_MS);
  const query = { program: url.program, outcome: url.outcome, subject: url.subject };
  const list = useList<Decision>(['decisions', query], (cursor) => read(api.GET('/api/v1/decisions', { params: { query: { ...query, cursor, limit: 100 } } })));
  return (
    <Page title={t.decisions.title} about={t.decisions.about}>
      <Group>
        <Select aria-label={t.decisions.program} placeholder={t.decisions.program} data={programs} value={url.program ?? null} onChange={(program) => change({ program })} clearable searchable clearButtonProps={{ 'aria-label': t.accounts.clear }} />
        <Select aria-label={t.decisions.outcome} placeholder={t.decisions.outcome} data={OUTCOMES} value={url.outcome ?? null} onChange={(outcome) => change({ outcome })} clearable searchable clearButtonProps={{ 'aria-label': t.accounts.clear }} />
        <TextInput aria-label={t.decisions.subject} placeholder="acc_… / per_…" defaultValue={url.subject} onChange={(event) => find(event.currentTarget.value)} />
      </Group>
      <DataTable label={t.decisions.title} list={list} columns={[who, ...decisionColumns]} rowKey={(row) => row.id} empty={<Empty title={t.decisions.empty} fix={t.decisions.emptyFix} />} />
    </Page>
  );
}
