/** What programs did to a customer: enrollments, decisions, tasks, messages. */
import { Text } from '@mantine/core';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { useNow } from '../api/shared';
import { Word } from './badges';
import { ago, dateTime } from './format';
import { PageLink } from './link';
import { Empty, Panel } from './page';
import { type Column, DataTable } from './table';
import { t } from '../texts';

/** Height of a table among others, in pixels. */
const SHORT_PX = 420;

export type Decision = Schemas['DecisionRow'];

export const decisionColumns: Column<Decision>[] = [
  { key: 'at', title: t.decisions.at, cell: (row) => dateTime(row.at) },
  { key: 'program', title: t.decisions.program, cell: (row) => <PageLink to={`/programs/${row.program}`}>{row.program}</PageLink> },
  { key: 'step', title: t.decisions.step, cell: (row) => row.step ?? t.none },
  { key: 'outcome', title: t.decisions.outcome, cell: (row) => <Word word={row.outcome} /> },
  { key: 'reason', title: t.decisions.reason, cell: (row) => <span title={row.reason}>{row.reason}</span> },
];

export function DecisionsOf({ subject }: { subject: string }) {
  const list = useList<Decision>(['decisions', { subject }], (cursor) => read(api.GET('/api/v1/decisions', { params: { query: { subject, cursor, limit: 100 } } })));
  return (
    <Panel title={t.decisions.title}>
      <DataTable label={t.decisions.title} list={list} columns={decisionColumns} rowKey={(row) => row.id} height={SHORT_PX} empty={<Text c="dimmed">{t.account.noDecisions}</Text>} />
    </Panel>
  );
}

type Enrollment = Schemas['EnrollmentRow'];

export function EnrollmentsOf({ subject }: { subject: string }) {
  const now = useNow();
  const list = useList<Enrollment>(['enrollments', { subject }], (cursor) => read(api.GET('/api/v1/enrollments', { params: { query: { subject, cursor, limit: 100 } } })));
  if (list.rows.length === 0) return null;
  return (
    <Panel title={t.nav.programs}>
      <DataTable
        label={t.nav.programs}
        list={list}
        rowKey={(row) => row.id}
        height={SHORT_PX}
        empty={null}
        columns={[
          { key: 'program', title: t.decisions.program, cell: (row) => <PageLink to={`/programs/${row.program}`}>{row.program}</PageLink> },
          { key: 'status', title: t.programs.state, cell: (row) => <Word word={row.held_out ? 'held_out' : row.status} /> },
          { key: 'step', title: t.programs.step, cell: (row) => row.step ?? t.none },
          { key: 'entered', title: t.programs.entered, cell: (row) => ago(row.entered_at, now) },
        ]}
      />
    </Panel>
  );
}

type Task = Schemas['TaskRow'];

export function TasksOf({ subject }: { subject: string }) {
  const now = useNow();
  const list = useList<Task>(['tasks', { subject }], (cursor) => read(api.GET('/api/v1/tasks', { params: { query: { subject, cursor, limit: 100 } } })));
  return (
    <DataTable
      label={t.account.tasks}
      list={list}
      rowKey={(row) => row.id}
      empty={<Empty title={t.account.noTasks} />}
      columns={[
        { key: 'title', title: t.nav.tasks, cell: (row) => <PageLink to="/tasks" search={{ task: row.id, who: 'all', show: row.completed_at ? 'all' : 'open' }}>{row.title}</PageLink> },
        { key: 'owner', title: t.tasks.owner, cell: (row) => row.owner ?? t.none },
        { key: 'due', title: t.messages.due, cell: (row) => ago(row.due_at, now) },
        { key: 'outcome', title: t.tasks.outcome, cell: (row) => (row.completed_at ? (row.outcome ?? t.tasks.done) : t.none) },
      ]}
    />
  );
}

type Message = Schemas['MessageRow'];

export function MessagesOf({ subject, person }: { subject?: string; person?: string }) {
  const now = useNow();
  const list = useList<Message>(['messages', { subject, person }], (cursor) => read(api.GET('/api/v1/messages', { params: { query: { subject, person, cursor, limit: 100 } } })));
  return (
    <DataTable
      label={t.account.messages}
      list={list}
      rowKey={(row) => row.id}
      empty={<Empty title={t.account.noMessages} />}
      columns={[
        { key: 'template', title: t.messages.template, cell: (row) => row.template },
        { key: 'state', title: t.messages.state, cell: (row) => <Word word={row.state} /> },
        { key: 'program', title: t.messages.program, cell: (row) => <PageLink to={`/programs/${row.program}`}>{row.program}</PageLink> },
        { key: 'at', title: t.messages.at, cell: (row) => ago(row.state_at, now) },
        { key: 'reason', title: t.messages.reason, cell: (row) => row.reason ?? t.none },
      ]}
    />
  );
}
