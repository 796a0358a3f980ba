/** The day of a customer success manager: tasks by due time, the customer beside the one chosen. */
import { Badge, Button, Divider, Grid, Group, Menu, Modal, Paper, SegmentedControl, Stack, Text, TextInput, Textarea, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { useNow } from '../api/shared';
import { useAct } from '../parts/act';
import { Zone } from '../parts/badges';
import { ago, date, number } from '../parts/format';
import { PageLink } from '../parts/link';
import { Empty, Failure, Loaded, Page, Panel } from '../parts/page';
import { Subject } from '../parts/subject';
import { traits } from '../parts/traits';
import { useUrl } from '../parts/url';
import { useMay, useUser } from '../shell/user';
import { t } from '../texts';

type Task = Schemas['TaskRow'];

const DAY_MS = 86_400_000;
/** How often the list is asked for anew, in milliseconds. */
const LIVE_MS = 15_000;

/** Under which heading a task stands. */
function groupOf(task: Task, now: number): string {
  if (task.completed_at) return t.tasks.done;
  if (task.snoozed_until && Date.parse(task.snoozed_until) > now) return t.tasks.snoozed;
  if (!task.due_at) return t.tasks.noDue;
  const due = Date.parse(task.due_at);
  if (due < now) return t.tasks.overdue;
  return due < now + DAY_MS ? t.tasks.today : t.tasks.later;
}

const ORDER = [t.tasks.overdue, t.tasks.today, t.tasks.later, t.tasks.noDue, t.tasks.snoozed, t.tasks.done];

export default function TasksPage() {
  const user = useUser();
  const [url, change] = useUrl();
  const now = useNow();
  const mine = user.own_accounts_only || url.who !== 'all';
  const query = { owner: mine ? user.owner : undefined, open: url.show === 'all' ? undefined : true };
  const list = useList<Task>(['tasks', query], (cursor) => read(api.GET('/api/v1/tasks', { params: { query: { ...query, cursor, limit: 200 } } })), { refetchInterval: LIVE_MS });
  const chosen = list.rows.find((task) => task.id === url.task);
  return (
    <Page title={t.tasks.title} about={t.tasks.about} actions={<Filters />}>
      {list.error && <Failure error={list.error} retry={() => void list.refetch()} />}
      <Loaded query={list}>
        {() => (
          <Grid>
            <Grid.Col span={{ base: 12, md: 6 }}>
              {list.rows.length === 0 && <Empty title={t.tasks.empty} fix={t.tasks.emptyFix} />}
              <Groups tasks={list.rows} now={now} chosen={url.task} onChoose={(task) => change({ task }, true)} />
            </Grid.Col>
            <Grid.Col span={{ base: 12, md: 6 }}>{chosen ? <Chosen key={chosen.id} task={chosen} /> : list.rows.length > 0 && <Empty title={t.tasks.choose} />}</Grid.Col>
          </Grid>
        )}
      </Loaded>
    </Page>
  );
}

function Filters() {
  const user = useUser();
  const [url, change] = useUrl();
  return (
    <>
      {!user.own_accounts_only && (
        <SegmentedControl
          aria-label={t.tasks.owner}
          value={url.who ?? 'mine'}
          onChange={(who) => change({ who: who === 'mine' ? null : who })}
          data={[
            { value: 'mine', label: t.tasks.mine },
            { value: 'all', label: t.tasks.everybody },
          ]}
        />
      )}
      <SegmentedControl
        aria-label={t.programs.state}
        value={url.show ?? 'open'}
        onChange={(show) => change({ show: show === 'open' ? null : show })}
        data={[
          { value: 'open', label: t.tasks.openOnly },
          { value: 'all', label: t.tasks.all },
        ]}
      />
    </>
  );
}

function Groups({ tasks, now, chosen, onChoose }: { tasks: Task[]; now: number; chosen?: string; onChoose: (id: string) => void }) {
  const due = (task: Task) => (task.due_at ? Date.parse(task.due_at) : Infinity);
  const sorted = [...tasks].sort((one, other) => due(one) - due(other));
  return ORDER.map((group) => {
    const found = sorted.filter((task) => groupOf(task, now) === group);
    if (found.length === 0) return null;
    return (
      <Stack key={group} gap={6} mb="md">
        <Group gap="xs">
          <Text fw={650} size="sm">
            {group}
          </Text>
          <Badge variant="default" size="sm">
            {found.length}
          </Badge>
        </Group>
        {found.map((task) => (
          <Paper key={task.id} withBorder p="sm" bg={task.id === chosen ? 'var(--mantine-color-default-hover)' : undefined}>
            <UnstyledButton w="100%" onClick={() => onChoose(task.id)} aria-pressed={task.id === chosen}>
              <Text fw={600} size="sm">
                {task.title}
              </Text>
              <Text size="xs" c="dimmed">
                {[ago(task.due_at, now), task.owner, t.tasks.from(task.program)].filter(Boolean).join(' · ')}
              </Text>
            </UnstyledButton>
          </Paper>
        ))}
      </Stack>
    );
  });
}

function Chosen({ task }: { task: Task }) {
  const now = useNow();
  return (
    <Panel title={task.title} style={{ position: 'sticky', top: 76 }}>
      <Stack>
        <Text size="sm" c="dimmed" component="div">
          <Subject id={task.account ?? task.subject} /> · {ago(task.due_at, now)} · <PageLink to={`/programs/${task.program}`}>{task.program}</PageLink>
        </Text>
        <Acts task={task} now={now} />
        {task.outcome && <Text size="sm">{task.outcome}</Text>}
        <Divider />
        {(task.account ?? task.subject).startsWith('acc_') && <Context account={task.account ?? task.subject} />}
      </Stack>
    </Panel>
  );
}

function Acts({ task, now }: { task: Task; now: number }) {
  const may = useMay('profiles:write');
  const params = { path: { task: task.id } };
  const snooze = useAct((days: number) => read(api.POST('/api/v1/tasks/{task}/snooze', { params, body: { until: new Date(now + days * DAY_MS).toISOString() } })));
  const reopen = useAct(() => read(api.POST('/api/v1/tasks/{task}/reopen', { params })));
  if (!may) return null;
  if (task.completed_at) {
    return (
      <Button variant="default" onClick={() => reopen.mutate(undefined)} w="fit-content">
        {t.tasks.reopen}
      </Button>
    );
  }
  return (
    <Group gap="xs">
      <Complete task={task} />
      <Menu>
        <Menu.Target>
          <Button variant="default">{t.tasks.snooze}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => snooze.mutate(1)}>{t.tasks.tomorrow}</Menu.Item>
          <Menu.Item onClick={() => snooze.mutate(7)}>{t.tasks.nextWeek}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Reassign task={task} />
    </Group>
  );
}

function Complete({ task }: { task: Task }) {
  const [opened, { open, close }] = useDisclosure(false);
  const [outcome, setOutcome] = useState('');
  const complete = useAct(() => read(api.POST('/api/v1/tasks/{task}/complete', { params: { path: { task: task.id } }, body: { outcome: outcome || null } })), t.tasks.completed);
  return (
    <>
      <Button onClick={open}>{t.tasks.complete}</Button>
      <Modal opened={opened} onClose={close} title={t.tasks.completeTitle} centered closeButtonProps={{ 'aria-label': t.close }}>
        <Stack>
          <Textarea label={t.tasks.outcome} description={t.tasks.outcomeHint} value={outcome} onChange={(event) => setOutcome(event.currentTarget.value)} autosize minRows={3} data-autofocus />
          <Button loading={complete.isPending} onClick={() => complete.mutate(undefined, { onSuccess: close })}>
            {t.tasks.complete}
          </Button>
        </Stack>
      </Modal>
    </>
  );
}

function Reassign({ task }: { task: Task }) {
  const user = useUser();
  const [opened, { open, close }] = useDisclosure(false);
  const [owner, setOwner] = useState(task.owner ?? user.owner);
  const assign = useAct(() => read(api.POST('/api/v1/tasks/{task}/assign', { params: { path: { task: task.id } }, body: { owner } })));
  return (
    <>
      <Button variant="default" onClick={open}>
        {t.tasks.reassign}
      </Button>
      <Modal opened={opened} onClose={close} title={t.tasks.reassign} centered closeButtonProps={{ 'aria-label': t.close }}>
        <Stack>
          <TextInput label={t.tasks.owner} value={owner} onChange={(event) => setOwner(event.currentTarget.value)} data-autofocus />
          <Button loading={assign.isPending} onClick={() => assign.mutate(undefined, { onSuccess: close })}>
            {t.save}
          </Button>
        </Stack>
      </Modal>
    </>
  );
}

/** What one wants to know before calling. */
function Context({ account }: { account: string }) {
  const params = { path: { account } };
  const row = useQuery({ queryKey: ['account', account], queryFn: () => read(api.GET('/api/v1/accounts/{account}', { params })) });
  const health = useQuery({ queryKey: ['health', account], queryFn: () => read(api.GET('/api/v1/accounts/{account}/health', { params })) });
  const weakest = [...(health.data?.components ?? [])].sort((one, other) => (one.score ?? 100) - (other.score ?? 100)).slice(0, 3);
  return (
    <Loaded query={row}>
      {(found) => (
        <Stack gap="xs">
          <Group gap="lg">
            <Zone zone={health.data?.zone} score={health.data?.score} />
            <Text size="sm">
              {t.accounts.mrr} {number(traits(found).number('mrr'))}
            </Text>
            <Text size="sm">
              {t.accounts.renewal} {date(traits(found).text('renewal_date'))}
            </Text>
          </Group>
          {weakest.map((component) => (
            <Text key={component.name} size="sm" c="dimmed">
              {component.sentence}
            </Text>
          ))}
        </Stack>
      )}
    </Loaded>
  );
}
