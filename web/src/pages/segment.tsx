/** One segment: its condition as text and as clauses, who would be in it, and who is. */
import { Grid, Group, SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { Suspense, useState } from 'react';

import { api, type Diagnostic, read, type Schemas } from '../api/client';
import { countAudience, type SourceFile, useCheck, useDefinition } from '../api/definitions';
import { useList } from '../api/lists';
import { useNow } from '../api/shared';
import { ClauseEditor } from '../parts/clause-editor';
import { Editor, Publish, Verdict } from '../parts/definition';
import { ago } from '../parts/format';
import { Empty, Loaded, Page, Panel } from '../parts/page';
import { Subject } from '../parts/subject';
import { DataTable } from '../parts/table';
import { t } from '../texts';

interface Draft {
  name: string;
  about: string;
  audience: string;
  when: string;
}

/** Lines of the file before the condition's first. */
const LINES_BEFORE = 4;
/** Columns that the condition is moved in. */
const INDENT = 2;

const fileOf = (draft: Draft, path?: string): SourceFile => ({
  path: path ?? `segments/${draft.name || 'new'}.yaml`,
  text: `segment: ${draft.name || 'new-segment'}\nabout: ${JSON.stringify(draft.about || draft.name)}\naudience: ${draft.audience}\nwhen: |\n${(draft.when || 'false').replace(/^/gm, ' '.repeat(INDENT))}\n`,
});

export default function SegmentPage() {
  const { name } = useParams({ strict: false }) as { name: string };
  const isNew = name === 'new';
  const row = useQuery({ queryKey: ['segment', name], enabled: !isNew, queryFn: () => read(api.GET('/api/v1/segments/{segment}', { params: { path: { segment: name } } })) });
  const definition = useDefinition('segment', name, !isNew);
  if (isNew) return <Edit start={{ name: '', about: '', audience: 'account', when: '' }} isNew />;
  const both = { ...row, data: row.data && definition.data ? { row: row.data, path: definition.data.path } : undefined };
  return <Loaded query={both}>{(found) => <Edit start={found.row} path={found.path} key={name} />}</Loaded>;
}

function Edit({ start, path, isNew = false }: { start: Draft; path?: string; isNew?: boolean }) {
  const navigate = useNavigate();
  const [draft, setDraft] = useState<Draft>({ name: start.name, about: start.about, audience: start.audience, when: start.when });
  const file = fileOf(draft, path);
  const { checked, diagnostics, current } = useCheck(file);
  const set = (change: Partial<Draft>) => setDraft((old) => ({ ...old, ...change }));
  const ready = current && draft.name !== '' && draft.when !== '';
  const publish = <Publish file={file} checked={ready ? checked : null} onPublished={() => void navigate({ to: `/segments/${draft.name}` as never })} />;
  return (
    <Page title={isNew ? t.segments.new : start.name} about={isNew ? t.segments.about : start.about} actions={publish}>
      <Grid>
        <Grid.Col span={{ base: 12, md: 8 }}>
          <Stack>
            {isNew && <Names draft={draft} set={set} />}
            <Condition when={draft.when} onChange={(when) => set({ when })} diagnostics={draft.when === '' ? [] : diagnostics} />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Count file={file} name={draft.name || 'new-segment'} ready={current && checked !== null && draft.when !== ''} />
        </Grid.Col>
      </Grid>
      {!isNew && <Members name={start.name} />}
    </Page>
  );
}

function Names({ draft, set }: { draft: Draft; set: (change: Partial<Draft>) => void }) {
  return (
    <Group grow align="flex-start">
      <TextInput label={t.segments.nameField} description={t.segments.nameHint} value={draft.name} onChange={(event) => set({ name: event.currentTarget.value.toLowerCase().replace(/[^a-z0-9-]/g, '-') })} required />
      <TextInput label={t.segments.aboutField} description=" " value={draft.about} onChange={(event) => set({ about: event.currentTarget.value })} />
      <Select
        label={t.segments.audience}
        description=" "
        data={['account', 'person'].map((value) => ({ value, label: t.subject[value] ?? value }))}
        value={draft.audience}
        onChange={(audience) => set({ audience: audience ?? 'account' })}
        allowDeselect={false}
      />
    </Group>
  );
}

function Condition({ when, onChange, diagnostics }: { when: string; onChange: (text: string) => void; diagnostics: Diagnostic[] }) {
  const [form, setForm] = useState('text');
  const moved = diagnostics.map((found) => ({ ...found, line: (found.line ?? LINES_BEFORE + 1) - LINES_BEFORE, column: (found.column ?? INDENT + 1) - INDENT }));
  const forms = [
    { value: 'text', label: t.segments.asText },
    { value: 'clauses', label: t.segments.asClauses },
  ];
  return (
    <Panel title={t.segments.when} action={<SegmentedControl size="xs" value={form} onChange={setForm} data={forms} aria-label={t.segments.when} />}>
      <Stack gap="sm">
        {form === 'text' ? (
          <Suspense>
            <Editor label={t.segments.when} value={when} onChange={onChange} diagnostics={moved} height={150} />
          </Suspense>
        ) : (
          <ClauseEditor when={when} onChange={onChange} />
        )}
        {when !== '' && <Verdict diagnostics={moved} />}
      </Stack>
    </Panel>
  );
}

/** Who would be in it now, while it is written. */
function Count({ file, name, ready }: { file: SourceFile; name: string; ready: boolean }) {
  const count = useQuery({ queryKey: ['audience', file.text], enabled: ready, queryFn: () => countAudience(file, name) });
  const found = count.data;
  return (
    <Panel title={t.segments.members}>
      <Text role="status" fw={600}>
        {!ready ? t.none : !found ? t.segments.counting : found.matching_count === null ? t.segments.unknown : t.segments.count(found.matching_count, found.checked_count)}
      </Text>
      {ready && found && found.sample.length > 0 && (
        <Stack gap={4} mt="sm">
          <Text size="xs" c="dimmed">
            {t.segments.sample}
          </Text>
          {found.sample.map((id) => (
            <Text key={id} size="sm" component="div">
              <Subject id={id} />
            </Text>
          ))}
        </Stack>
      )}
    </Panel>
  );
}

type Member = Schemas['MemberRow'];

function Members({ name }: { name: string }) {
  const now = useNow();
  const list = useList<Member>(['members', name], (cursor) => read(api.GET('/api/v1/segments/{segment}/members', { params: { path: { segment: name }, query: { cursor, limit: 100 } } })));
  return (
    <Panel title={t.segments.membersTab}>
      <DataTable
        label={t.segments.membersTab}
        list={list}
        rowKey={(row) => row.subject}
        height={420}
        empty={<Empty title={t.segments.noMembers} />}
        columns={[
          { key: 'subject', title: t.decisions.subject, cell: (row) => <Subject id={row.subject} /> },
          { key: 'since', title: t.segments.since, cell: (row) => ago(row.since, now) },
        ]}
      />
    </Panel>
  );
}

