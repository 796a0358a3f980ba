import { Button, Grid, Group, Progress, Rating, Stack, Table, Text, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useMemo, useState } from 'react';

import { api, read, type Schemas } from '../api/client';
import { useAct } from '../parts/act';
import { date, number, percent, shown, words } from '../parts/format';
import { PageLink } from '../parts/link';
import { Empty, Panel } from '../parts/page';
import { traits } from '../parts/traits';
import { useMay, useUser } from '../shell/user';
import { t } from '../texts';

const Chart = lazy(() => import('../parts/chart'));

type Account = Schemas['AccountRow'];
type Health = Schemas['HealthRow'];

export function Overview({ account, health }: { account: Account; health?: Health }) {
  return (
    <Grid>
      <Grid.Col span={{ base: 12, md: 7 }}>
        <Stack>
          <Panel title={t.account.why}>{health && <Why health={health} />}</Panel>
          <Panel title={t.account.history}>
            <History id={account.id} />
          </Panel>
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 5 }}>
        <Stack>
          {account.external_id && <Risk customer={account.external_id} />}
          <YourView account={account} />
          <Panel title={t.account.traits}>
            <Traits account={account} />
          </Panel>
        </Stack>
      </Grid.Col>
    </Grid>
  );
}

function Why({ health }: { health: Health }) {
  if (health.components.length === 0) return <Empty title={t.account.noHealth} fix={t.account.noHealthFix} />;
  return (
    <Stack gap="sm">
      {health.components.map((component) => (
        <div key={component.name}>
          <Group justify="space-between" mb={2}>
            <Text size="sm" fw={600}>
              {words(component.name)}
            </Text>
            <Text size="sm">{component.contribution === null || component.contribution === undefined ? t.health.none : t.account.points(component.contribution, component.weight)}</Text>
          </Group>
          <Progress value={component.score ?? 0} size="sm" aria-label={component.name} />
          <Text size="xs" c="dimmed" mt={3}>
            {component.sentence}
          </Text>
        </div>
      ))}
    </Stack>
  );
}

function History({ id }: { id: string }) {
  const history = useQuery({ queryKey: ['health-history', id], queryFn: () => read(api.GET('/api/v1/accounts/{account}/health/history', { params: { path: { account: id }, query: { limit: 200 } } })) });
  const points = useMemo(() => [...(history.data?.data ?? [])].reverse().filter((row) => typeof row.score === 'number'), [history.data]);
  const option = useMemo(
    () => ({
      grid: { left: 32, right: 12, top: 12, bottom: 24 },
      tooltip: { trigger: 'axis' },
      xAxis: { type: 'time' },
      yAxis: { type: 'value', min: 0, max: 100 },
      series: [{ type: 'line', step: 'end', showSymbol: false, data: points.map((row) => [row.at, row.score]), lineStyle: { width: 2.5, color: '#0b7a75' }, areaStyle: { opacity: 0.08, color: '#0b7a75' } }],
    }),
    [points],
  );
  if (points.length < 2) return <Text c="dimmed" size="sm">{t.account.historyEmpty}</Text>;
  return (
    <Suspense>
      <Chart label={t.account.history} option={option} rows={points.map((row) => [date(row.at), number(row.score, 1)])} />
    </Suspense>
  );
}

function Risk({ customer }: { customer: string }) {
  const may = useMay('cs-retention:read');
  const risk = useQuery({ queryKey: ['risk', customer], enabled: may, queryFn: () => read(api.GET('/api/v1/cs-retention/risk/{customer_id}', { params: { path: { customer_id: customer } } })) });
  if (!risk.data) return null;
  const { churn_probability: probability, level, reasons, recommended_interventions: programs } = risk.data;
  return (
    <Panel title={t.account.risk}>
      <Group align="baseline" gap="xs">
        <Text fz={24} fw={650}>
          {typeof probability.value === 'number' ? percent(probability.value) : words(level ?? t.health.none ?? '')}
        </Text>
        <Text size="sm" c="dimmed">
          {risk.data.level_reason ?? probability.reason}
        </Text>
      </Group>
      {reasons.map((reason) => (
        <Text key={reason.reason} size="sm">
          {reason.reason}
        </Text>
      ))}
      {programs.length > 0 && (
        <Group gap="xs" mt="xs">
          {programs.map((program) => (
            <PageLink key={program.program} to={`/programs/${program.program}`} size="sm">
              {program.program}
            </PageLink>
          ))}
        </Group>
      )}
    </Panel>
  );
}

function YourView({ account }: { account: Account }) {
  const user = useUser();
  const may = useMay('profiles:write');
  const [rating, setRating] = useState(0);
  const [note, setNote] = useState('');
  const rate = useAct(() => read(api.POST('/api/v1/accounts/{account}/sentiment', { params: { path: { account: account.id } }, body: { rating, note: note || undefined, by: user.owner } })), t.account.sentimentSaved);
  if (!may) return null;
  return (
    <Panel title={t.account.sentiment}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {t.account.sentimentAbout}
        </Text>
        <Rating value={rating} onChange={setRating} size="lg" aria-label={t.account.sentiment} />
        {rating > 0 && (
          <>
            <Textarea label={t.account.note} value={note} onChange={(event) => setNote(event.currentTarget.value)} autosize minRows={2} />
            <Button onClick={() => rate.mutate(undefined)} loading={rate.isPending}>
              {t.save}
            </Button>
          </>
        )}
      </Stack>
    </Panel>
  );
}

export function Traits({ account }: { account: { traits?: unknown } }) {
  const all = Object.entries(traits(account).all).sort(([one], [other]) => one.localeCompare(other));
  return (
    <Table verticalSpacing={5} fz="sm">
      <Table.Tbody>
        {all.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th c="dimmed" fw={500}>
              {name}
            </Table.Th>
            <Table.Td style={{ wordBreak: 'break-word' }}>{shown(value)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
