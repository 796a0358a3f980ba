/** Everything that happened to an account or a person, the latest first. */
import { Badge, Button, Center, Code, Collapse, Group, Select, Stack, Text, Timeline, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { dateTime, shown, words } from './format';
import { Empty, Failure, Loaded } from './page';
import { Subject } from './subject';
import { t } from '../texts';

type Item = Schemas['TimelineRow'];

function ask(id: string, cursor: string | undefined) {
  const query = { cursor, limit: 50 };
  return id.startsWith('acc_')
    ? read(api.GET('/api/v1/accounts/{account}/timeline', { params: { path: { account: id }, query } }))
    : read(api.GET('/api/v1/people/{person}/timeline', { params: { path: { person: id }, query } }));
}

export function TimelineOf({ id }: { id: string }) {
  const list = useList<Item>(['timeline', id], (cursor) => ask(id, cursor));
  const [name, setName] = useState<string | null>(null);
  const names = [...new Set(list.rows.flatMap((row) => row.name ?? []))].sort();
  const rows = list.rows.filter((row) => !name || row.name === name);
  if (list.error) return <Failure error={list.error} />;
  return (
    <Loaded query={list}>
      {() => (
        <Stack>
          <Select data={names} value={name} onChange={setName} placeholder={t.account.allKinds} aria-label={t.account.events} clearable searchable maw={280} clearButtonProps={{ 'aria-label': t.account.allKinds }} />
          {rows.length === 0 && <Empty title={t.account.noTimeline} />}
          <Timeline bulletSize={12} lineWidth={2}>
            {rows.map((row) => (
              <Timeline.Item key={`${row.position}:${row.id ?? row.kind}`}>
                <Entry row={row} of={id} />
              </Timeline.Item>
            ))}
          </Timeline>
          {list.hasNextPage && (
            <Center>
              <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                {t.more}
              </Button>
            </Center>
          )}
        </Stack>
      )}
    </Loaded>
  );
}

function Entry({ row, of }: { row: Item; of: string }) {
  const [opened, { toggle }] = useDisclosure(false);
  const facts = Object.entries((row.properties ?? row.traits ?? {}) as Record<string, unknown>);
  const brief = facts.slice(0, 3).map(([name, value]) => `${words(name)} ${shown(value)}`).join(' · ');
  return (
    <>
      <UnstyledButton onClick={toggle} aria-expanded={opened} w="100%">
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {words(row.name ?? row.summary ?? row.kind)}
          </Text>
          {row.historical && (
            <Badge size="xs" variant="default" tt="none">
              imported
            </Badge>
          )}
          <Text size="sm" c="dimmed" truncate="end" maw={420}>
            {brief}
          </Text>
        </Group>
      </UnstyledButton>
      <Text size="xs" c="dimmed" component="div">
        {dateTime(row.at)}
        {row.person && row.person !== of && (
          <>
            {' · '}
            <Subject id={row.person} />
          </>
        )}
      </Text>
      <Collapse expanded={opened}>
        <Code block mt={6}>
          {JSON.stringify(Object.fromEntries(facts), null, 2)}
        </Code>
      </Collapse>
    </>
  );
}
