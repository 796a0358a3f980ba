/** What needs a human, and how customers are. Every number leads to the list behind it. */
import { Anchor, Code, Grid, Group, Paper, Progress, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Navigate } from '@tanstack/react-router';

import { api, read } from '../api/client';
import { Word } from '../parts/badges';
import { CopyBlock } from '../parts/copy';
import { ago, number, words } from '../parts/format';
import { PageLink } from '../parts/link';
import { Empty, Loaded, Page, Panel } from '../parts/page';
import { Subject } from '../parts/subject';
import { useUser } from '../shell/user';
import { t } from '../texts';

/** How often the page looks again, in milliseconds. */
const LIVE_MS = 10_000;
/** Rows of the short lists. */
const SHORT_ROWS = 6;

function useHome() {
  return useQuery({
    queryKey: ['home'],
    refetchInterval: LIVE_MS,
    queryFn: async () => {
      const [workspace, tasks, segments, programs, decisions] = await Promise.all([
        read(api.GET('/api/v1/workspace')),
        read(api.GET('/api/v1/tasks', { params: { query: { open: true, limit: 200 } } })),
        read(api.GET('/api/v1/segments')),
        read(api.GET('/api/v1/programs')),
        read(api.GET('/api/v1/decisions', { params: { query: { limit: SHORT_ROWS } } })),
      ]);
      return { workspace, tasks: tasks.data, segments: segments.data, programs: programs.data, decisions: decisions.data };
    },
  });
}

type HomeData = NonNullable<ReturnType<typeof useHome>['data']>;

export default function HomePage() {
  const user = useUser();
  // Whoever reaches accounts of their own only begins with their tasks.
  return user.own_accounts_only ? <Navigate to={'/tasks' as never} replace /> : <Everything />;
}

function Everything() {
  const user = useUser();
  const home = useHome();
  return (
    <Page title={t.home.title(user.name.split(' ')[0] ?? user.name)} about={t.home.about}>
      <Loaded query={home}>{(data) => (data.workspace.log_end <= 1 ? <FirstEvent /> : <Overview data={data} />)}</Loaded>
    </Page>
  );
}

function Overview({ data }: { data: HomeData }) {
  const now = Date.parse(data.workspace.now);
  const overdue = data.tasks.filter((task) => task.due_at && Date.parse(task.due_at) < now).length;
  return (
    <>
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Figure to="/tasks" label={t.home.openTasks} value={number(data.tasks.length)} note={overdue > 0 ? t.home.overdue(overdue) : undefined} />
        <Figure to="/accounts" label={t.home.accounts} value={number(data.workspace.account_count)} />
        <Figure to="/people" label={t.home.people} value={number(data.workspace.person_count)} />
        <DeadLetters />
      </SimpleGrid>
      <Grid>
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Stack>
            <Today data={data} now={now} />
            <Decided data={data} now={now} />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Stack>
            <Portfolio data={data} />
            <Programs data={data} />
          </Stack>
        </Grid.Col>
      </Grid>
    </>
  );
}

function Figure({ to, label, value, note }: { to: string; label: string; value: string; note?: string }) {
  return (
    <Paper withBorder p="md">
      <PageLink to={to} c="dimmed" size="sm">
        {label}
      </PageLink>
      <Group gap="xs" align="baseline">
        <Text fz={30} fw={650} lh={1.2}>
          {value}
        </Text>
        {note && (
          <Text size="sm" c="light-dark(var(--mantine-color-red-9), var(--mantine-color-red-4))">
            {note}
          </Text>
        )}
      </Group>
    </Paper>
  );
}

function DeadLetters() {
  const user = useUser();
  const isAdmin = user.scopes.includes('admin');
  const letters = useQuery({ queryKey: ['dead-letters', 'home'], enabled: isAdmin, queryFn: () => read(api.GET('/api/v1/dead-letters', { params: { query: { limit: 100 } } })) });
  if (!isAdmin) return null;
  const count = letters.data?.data.length ?? 0;
  return <Figure to="/dead-letters" label={t.home.deadLetters} value={letters.data?.next_cursor ? `${count}+` : number(count)} />;
}

function Today({ data, now }: { data: HomeData; now: number }) {
  const due = (at?: string | null) => (at ? Date.parse(at) : Infinity);
  const first = [...data.tasks].sort((a, b) => due(a.due_at) - due(b.due_at)).slice(0, SHORT_ROWS);
  return (
    <Panel title={t.home.today} action={<PageLink to="/tasks" size="sm">{t.home.seeAll}</PageLink>}>
      {first.length === 0 && <Empty title={t.tasks.empty} fix={t.home.noTasks} />}
      <Stack gap="sm">
        {first.map((task) => (
          <Group key={task.id} justify="space-between" wrap="nowrap">
            <div style={{ minWidth: 0 }}>
              <PageLink to="/tasks" search={{ task: task.id, who: 'all' }} fw={600} truncate="end" display="block">
                {task.title}
              </PageLink>
              <Text size="sm" c="dimmed">
                <Subject id={task.account ?? task.subject} /> · {task.owner ?? t.none}
              </Text>
            </div>
            <Text size="sm" style={{ whiteSpace: 'nowrap' }}>
              {ago(task.due_at, now)}
            </Text>
          </Group>
        ))}
      </Stack>
    </Panel>
  );
}

function Decided({ data, now }: { data: HomeData; now: number }) {
  return (
    <Panel title={t.home.decisions} action={<PageLink to="/decisions" size="sm">{t.home.seeAll}</PageLink>}>
      {data.decisions.length === 0 && <Text c="dimmed">{t.home.noDecisions}</Text>}
      <Stack gap="sm">
        {data.decisions.map((decision) => (
          <Group key={decision.id} justify="space-between" wrap="nowrap" gap="sm">
            <div style={{ minWidth: 0 }}>
              <Text size="sm" component="div">
                <Subject id={decision.subject} /> · <PageLink to={`/programs/${decision.program}`}>{decision.program}</PageLink>
              </Text>
              <Text size="sm" c="dimmed" truncate="end">
                {decision.reason}
              </Text>
            </div>
            <Stack gap={2} align="flex-end">
              <Word word={decision.outcome} />
              <Text size="xs" c="dimmed">
                {ago(decision.at, now)}
              </Text>
            </Stack>
          </Group>
        ))}
      </Stack>
    </Panel>
  );
}

function Portfolio({ data }: { data: HomeData }) {
  const largest = Math.max(1, ...data.segments.map((segment) => segment.member_count));
  return (
    <Panel title={t.home.segments} action={<PageLink to="/segments" size="sm">{t.home.seeAll}</PageLink>}>
      {data.segments.length === 0 && <Text c="dimmed">{t.segments.emptyFix}</Text>}
      <Stack gap="sm">
        {data.segments.slice(0, 8).map((segment) => (
          <div key={segment.name}>
            <Group justify="space-between" mb={4}>
              <PageLink to={`/segments/${segment.name}`} size="sm" fw={600}>
                {segment.name}
              </PageLink>
              <Text size="sm">{number(segment.member_count)}</Text>
            </Group>
            <Progress value={(segment.member_count / largest) * 100} size="sm" aria-label={segment.name} />
          </div>
        ))}
      </Stack>
    </Panel>
  );
}

function Programs({ data }: { data: HomeData }) {
  return (
    <Panel title={t.home.programs} action={<PageLink to="/programs" size="sm">{t.home.seeAll}</PageLink>}>
      {data.programs.length === 0 && <Text c="dimmed">{t.programs.emptyFix}</Text>}
      <Stack gap="xs">
        {data.programs.map((program) => (
          <Group key={program.name} justify="space-between" wrap="nowrap">
            <PageLink to={`/programs/${program.name}`} size="sm" fw={600}>
              {program.name}
            </PageLink>
            {program.paused ? <Word word="paused" /> : <Text size="sm" c="dimmed">{`${number((program.counts as Record<string, number>).active ?? 0)} ${t.home.inside}`}</Text>}
          </Group>
        ))}
      </Stack>
    </Panel>
  );
}

function FirstEvent() {
  const origin = window.location.origin;
  const curl = `curl ${origin}/v1/track -u WRITE_KEY: -H 'content-type: application/json' \\\n  -d '{"userId":"u_1","event":"signed_up","context":{"groupId":"acme"}}'`;
  const sdk = `import { Analytics } from '@segment/analytics-node'\n\nconst analytics = new Analytics({ writeKey: 'WRITE_KEY', host: '${origin}' })\nanalytics.track({ userId: 'u_1', event: 'signed_up' })`;
  return (
    <Panel title={t.home.firstEvent}>
      <Stack>
        <Text c="dimmed">{t.home.firstEventAbout}</Text>
        <CopyBlock code={curl} />
        <CopyBlock code={sdk} />
        <Text size="sm" c="dimmed">
          {t.settings.keysAbout} <Anchor href="/docs" target="_blank">{t.shell.api}</Anchor> · <Code>{words('tenure keys rotate')}</Code>
        </Text>
        <Text role="status" fw={600}>
          {t.home.waiting}
        </Text>
      </Stack>
    </Panel>
  );
}
