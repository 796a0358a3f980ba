/** One account: what it is, how it is and why, and everything that happened. */
import { Group, Paper, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';

import { api, read, type Schemas } from '../api/client';
import { useNow } from '../api/shared';
import { Word, Zone } from '../parts/badges';
import { ago, date, number } from '../parts/format';
import { PageLink } from '../parts/link';
import { Loaded, Page } from '../parts/page';
import { Tabs } from '../parts/tabs';
import { accountName, traits } from '../parts/traits';
import { DecisionsOf, EnrollmentsOf, MessagesOf, TasksOf } from '../parts/records';
import { TimelineOf } from '../parts/timeline';
import { t } from '../texts';
import { Overview } from './account-overview';
import { PeopleOf } from './account-people';

type Account = Schemas['AccountRow'];
type Health = Schemas['HealthRow'];

export default function AccountPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const account = useQuery({ queryKey: ['account', id], queryFn: () => read(api.GET('/api/v1/accounts/{account}', { params: { path: { account: id } } })) });
  const health = useQuery({ queryKey: ['health', id], queryFn: () => read(api.GET('/api/v1/accounts/{account}/health', { params: { path: { account: id } } })) });
  return <Loaded query={account}>{(row) => <Shown account={row} health={health.data} />}</Loaded>;
}

function Shown({ account, health }: { account: Account; health?: Health }) {
  const { text } = traits(account);
  const about = [text('domain'), text('industry'), text('country')].filter(Boolean).join(' · ');
  return (
    <Page title={accountName(account)} about={about || account.external_id} actions={<Segments account={account} />}>
      <Facts account={account} health={health} />
      <Tabs
        tabs={[
          { name: 'overview', title: t.account.overview, content: <Overview account={account} health={health} /> },
          { name: 'timeline', title: t.account.timeline, content: <TimelineOf id={account.id} /> },
          { name: 'people', title: t.account.people, content: <PeopleOf account={account.id} /> },
          {
            name: 'programs',
            title: t.account.programs,
            content: (
              <Stack>
                <EnrollmentsOf subject={account.id} />
                <DecisionsOf subject={account.id} />
              </Stack>
            ),
          },
          { name: 'tasks', title: t.account.tasks, content: <TasksOf subject={account.id} /> },
          { name: 'messages', title: t.account.messages, content: <MessagesOf subject={account.id} /> },
        ]}
      />
    </Page>
  );
}

const Segments = ({ account }: { account: Account }) =>
  account.segments.map((name) => (
    <PageLink key={name} to={`/segments/${name}`} size="sm" bd="1px solid var(--mantine-color-default-border)" px={10} py={3} style={{ borderRadius: 99 }}>
      {name}
    </PageLink>
  ));

function Facts({ account, health }: { account: Account; health?: Health }) {
  const now = useNow();
  const { text, number: figure } = traits(account);
  return (
    <Paper withBorder p="md">
      <Group gap="xl" wrap="wrap">
        <Fact label={t.accounts.health}>
          <Group gap={8}>
            <Zone zone={health?.zone} score={health?.score} />
            {typeof health?.trend_7d === 'number' && (
              <Text size="sm" c="dimmed">
                {t.account.trend(health.trend_7d)}
              </Text>
            )}
          </Group>
        </Fact>
        <Fact label={t.accounts.mrr}>{number(figure('mrr'))}</Fact>
        <Fact label={t.accounts.renewal}>{text('renewal_date') ? `${date(text('renewal_date'))} · ${ago(text('renewal_date'), now)}` : t.none}</Fact>
        <Fact label={t.accounts.plan}>{text('plan') ?? t.none}</Fact>
        <Fact label={t.accounts.owner}>{text('owner_name') ?? text('owner') ?? t.none}</Fact>
        <Fact label={t.accounts.status}>{text('status') ? <Word word={text('status') ?? ''} /> : t.none}</Fact>
        <Fact label={t.accounts.seen}>{ago(account.seen_at, now)}</Fact>
      </Group>
    </Paper>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text component="div" fw={600}>
        {children}
      </Text>
    </div>
  );
}

