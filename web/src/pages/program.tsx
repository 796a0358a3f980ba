/** One program: canvas and text in step, who is inside, what it changed, what it decided. */
import { Button, Grid, Group, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { lazy, Suspense, useMemo, useState } from 'react';

import { api, read, type Schemas } from '../api/client';
import { useDefinition } from '../api/definitions';
import { useList } from '../api/lists';
import { useNow } from '../api/shared';
import { AskedButton, useAct } from '../parts/act';
import { Word } from '../parts/badges';
import { DefinitionEditor } from '../parts/definition';
import { flowOf } from '../parts/flow';
import { ago, number, percent } from '../parts/format';
import { PageLink } from '../parts/link';
import { Loaded, Page, Panel } from '../parts/page';
import { type Decision, decisionColumns } from '../parts/records';
import { Subject } from '../parts/subject';
import { DataTable } from '../parts/table';
import { Tabs } from '../parts/tabs';
import { useMay } from '../shell/user';
import { t } from '../texts';

const Canvas = lazy(() => import('../parts/canvas'));

type Program = Schemas['ProgramRow'];
/** How many stand at a step. */
interface Headcount {
  step: string;
  count: number;
}

const START = `program: new-program
about: What it is for
audience: account
enter:
  when: health.zone == "at_risk"
  again: after 30d
goal: { when: health.zone == "healthy", within: 60d }
holdout: 10%
steps:
  - task: call
    to: owner
    title: "Call {{ account.name }}"
    due: 2d
`;

export default function ProgramPage() {
  const { name } = useParams({ strict: false }) as { name: string };
  return name === 'new' ? <Create /> : <Existing name={name} key={name} />;
}

function Create() {
  const navigate = useNavigate();
  const [text, setText] = useState(START);
  const name = /^program:\s*(\S+)/m.exec(text)?.[1] ?? 'new-program';
  return (
    <Page title={t.programs.new} about={t.programs.about}>
      <Source path={`programs/${name}.yaml`} text={text} onChange={setText} onPublished={() => void navigate({ to: `/programs/${name}` as never })} />
    </Page>
  );
}

function Existing({ name }: { name: string }) {
  const program = useQuery({ queryKey: ['program', name], refetchInterval: 10_000, queryFn: () => read(api.GET('/api/v1/programs/{program}', { params: { path: { program: name } } })) });
  const definition = useDefinition('program', name);
  const both = { ...program, data: program.data && definition.data ? { program: program.data, source: definition.data } : undefined };
  return <Loaded query={both}>{(found) => <Shown program={found.program} path={found.source.path} text={found.source.text} />}</Loaded>;
}

function Shown({ program, path, text }: { program: Program; path: string; text: string }) {
  const [draft, setDraft] = useState(text);
  const counts = useMemo(() => Object.fromEntries((program.steps as unknown as Headcount[]).map((row) => [row.step, row.count])), [program.steps]);
  return (
    <Page title={program.name} about={program.about} actions={<Steer program={program} />}>
      <Group gap="xl">
        <Word word={program.paused ? 'paused' : 'running'} />
        {Object.entries(program.counts as Record<string, number>).map(([status, count]) => (
          <Text key={status} size="sm">
            <b>{number(count)}</b> {status.replaceAll('_', ' ')}
          </Text>
        ))}
        <Text size="sm">
          {t.programs.holdout} <b>{percent(program.holdout)}</b>
        </Text>
      </Group>
      <Tabs
        tabs={[
          { name: 'canvas', title: t.programs.canvas, content: <Source path={path} text={draft} onChange={setDraft} counts={counts} /> },
          { name: 'results', title: t.programs.results, content: <Results name={program.name} /> },
          { name: 'inside', title: t.programs.enrollments, content: <Inside name={program.name} /> },
          { name: 'decisions', title: t.programs.decisions, content: <Decisions name={program.name} /> },
        ]}
      />
    </Page>
  );
}

function Source({ path, text, onChange, counts, onPublished }: { path: string; text: string; onChange: (text: string) => void; counts?: Record<string, number>; onPublished?: () => void }) {
  const [line, setLine] = useState<number>();
  const flow = useMemo(() => flowOf(text), [text]);
  return (
    <Grid>
      <Grid.Col span={{ base: 12, lg: 6 }}>
        <Suspense>{flow && <Canvas flow={flow} counts={counts} onChoose={setLine} />}</Suspense>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 6 }}>
        <DefinitionEditor label={t.programs.source} file={{ path, text }} onChange={onChange} language="yaml" line={line} onPublished={onPublished} />
      </Grid.Col>
    </Grid>
  );
}

function Steer({ program }: { program: Program }) {
  const may = useMay('definitions:write');
  const params = { path: { program: program.name } };
  const pause = useAct(() => read(api.POST('/api/v1/programs/{program}/pause', { params })));
  const resume = useAct(() => read(api.POST('/api/v1/programs/{program}/resume', { params })));
  const preview = useAct(
    () => read(api.POST('/api/v1/programs/{program}/preview', { params })),
    (found) => (typeof found.matching_count === 'number' ? `${number(found.matching_count)} / ${number(found.checked_count)}: ${found.note}` : found.note),
  );
  return (
    <>
      <Button variant="default" onClick={() => preview.mutate(undefined)} loading={preview.isPending}>
        {t.programs.preview}
      </Button>
      {may &&
        (program.paused ? (
          <Button onClick={() => resume.mutate(undefined)}>{t.programs.resume}</Button>
        ) : (
          <AskedButton label={t.programs.pause} text={t.programs.pauseText} onYes={() => pause.mutate(undefined)} />
        ))}
    </>
  );
}

function Results({ name }: { name: string }) {
  const may = useMay('cs-marketing:read');
  const results = useQuery({ queryKey: ['performance', name], enabled: may, queryFn: () => read(api.GET('/api/v1/cs-marketing/performance/{campaign_id}', { params: { path: { campaign_id: name } } })) });
  if (!may) return null;
  return (
    <Loaded query={results}>
      {(found) => (
        <Stack>
          <SimpleGrid cols={{ base: 2, md: 3 }}>
            <Result title={t.programs.treated} value={percent(found.treated.goal_rate)} note={`${number(found.treated.goal_count)} / ${number(found.treated.entered_count)}`} />
            <Result title={t.programs.heldOut} value={percent(found.held_out.goal_rate)} note={`${number(found.held_out.goal_count)} / ${number(found.held_out.entered_count)}`} />
            <Result
              title={t.programs.lift}
              value={typeof found.lift.value === 'number' ? percent(found.lift.value) : t.programs.noLift}
              note={typeof found.lift_interval.low === 'number' ? `${percent(found.lift_interval.low)} … ${percent(found.lift_interval.high)}` : (found.lift.reason ?? '')}
            />
          </SimpleGrid>
          <Panel>
            <DataTable
              label={t.programs.results}
              list={{ rows: found.steps, error: null, isPending: false, hasNextPage: false, isFetchingNextPage: false, fetchNextPage: () => undefined, refetch: () => undefined }}
              rowKey={(row) => row.step}
              empty={<Text c="dimmed">{t.home.noDecisions}</Text>}
              columns={[
                { key: 'step', title: t.programs.step, cell: (row) => row.step },
                { key: 'sent', title: t.programs.sent, number: true, cell: (row) => number(row.sent_count) },
                { key: 'delivered', title: t.programs.delivered, number: true, cell: (row) => number(row.delivered_count) },
                { key: 'opened', title: t.programs.opened, number: true, cell: (row) => number(row.opened_count) },
                { key: 'clicked', title: t.programs.clicked, number: true, cell: (row) => number(row.clicked_count) },
              ]}
            />
          </Panel>
        </Stack>
      )}
    </Loaded>
  );
}

function Result({ title, value, note }: { title: string; value: string; note: string }) {
  return (
    <Panel>
      <Text size="sm" c="dimmed">
        {title}
      </Text>
      <Text fz={28} fw={650}>
        {value}
      </Text>
      <Text size="sm" c="dimmed">
        {note}
      </Text>
    </Panel>
  );
}

type Enrollment = Schemas['EnrollmentRow'];

function Inside({ name }: { name: string }) {
  const now = useNow();
  const list = useList<Enrollment>(['enrollments', { program: name }], (cursor) => read(api.GET('/api/v1/enrollments', { params: { query: { program: name, status: 'active', cursor, limit: 100 } } })));
  return (
    <DataTable
      label={t.programs.enrollments}
      list={list}
      rowKey={(row) => row.id}
      empty={<Text c="dimmed">{t.programs.noEnrollments}</Text>}
      columns={[
        { key: 'subject', title: t.decisions.subject, cell: (row) => <Subject id={row.subject} /> },
        { key: 'step', title: t.programs.step, cell: (row) => row.step ?? t.none },
        { key: 'entered', title: t.programs.entered, cell: (row) => ago(row.entered_at, now) },
      ]}
    />
  );
}

function Decisions({ name }: { name: string }) {
  const list = useList<Decision>(['decisions', { program: name }], (cursor) => read(api.GET('/api/v1/decisions', { params: { query: { program: name, cursor, limit: 100 } } })));
  const who = { key: 'subject', title: t.decisions.subject, cell: (row: Decision) => <Subject id={row.subject} /> };
  const columns = [who, ...decisionColumns.filter((column) => column.key !== 'program')];
  return (
    <Stack>
      <PageLink to="/decisions" search={{ program: name }} size="sm">
        {t.home.seeAll}
      </PageLink>
      <DataTable label={t.decisions.title} list={list} columns={columns} rowKey={(row) => row.id} empty={<Text c="dimmed">{t.home.noDecisions}</Text>} />
    </Stack>
  );
}
