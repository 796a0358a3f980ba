import { Button, Grid, Group, Stack, Switch, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';

import { api, read, type Schemas } from '../api/client';
import { AskedButton, useAct } from '../parts/act';
import { Word } from '../parts/badges';
import { Loaded, Page, Panel } from '../parts/page';
import { DecisionsOf, EnrollmentsOf, MessagesOf } from '../parts/records';
import { Subject } from '../parts/subject';
import { Tabs } from '../parts/tabs';
import { TimelineOf } from '../parts/timeline';
import { personName } from '../parts/traits';
import { useMay } from '../shell/user';
import { t } from '../texts';
import { Traits } from './account-overview';

type Person = Schemas['PersonRow'];

export default function PersonPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const person = useQuery({ queryKey: ['person', id], queryFn: () => read(api.GET('/api/v1/people/{person}', { params: { path: { person: id } } })) });
  return <Loaded query={person}>{(row) => <Shown person={row} />}</Loaded>;
}

function Shown({ person }: { person: Person }) {
  const exported = `/api/v1/people/${person.id}/export`;
  const about = (
    <Group gap="xs">
      <span>{person.emails.join(', ')}</span>
      {person.account && <Subject id={person.account} />}
    </Group>
  );
  return (
    <Page title={personName(person)} about={about} actions={<Button component="a" href={exported} download variant="default">{t.people.export}</Button>}>
      <Tabs
        tabs={[
          {
            name: 'overview',
            title: t.account.overview,
            content: (
              <Grid>
                <Grid.Col span={{ base: 12, md: 6 }}>
                  <Panel title={t.account.traits}>
                    <Traits account={person} />
                  </Panel>
                </Grid.Col>
                <Grid.Col span={{ base: 12, md: 6 }}>
                  <Stack>
                    <Consent person={person} />
                    <Panel title={t.people.identities}>
                      {[...person.user_ids, ...person.emails, ...person.anonymous_ids].map((name) => (
                        <Text key={name} size="sm">
                          {name}
                        </Text>
                      ))}
                    </Panel>
                  </Stack>
                </Grid.Col>
              </Grid>
            ),
          },
          { name: 'timeline', title: t.account.timeline, content: <TimelineOf id={person.id} /> },
          {
            name: 'programs',
            title: t.account.programs,
            content: (
              <Stack>
                <EnrollmentsOf subject={person.id} />
                <DecisionsOf subject={person.id} />
              </Stack>
            ),
          },
          { name: 'messages', title: t.account.messages, content: <MessagesOf person={person.id} /> },
        ]}
      />
    </Page>
  );
}

function Consent({ person }: { person: Person }) {
  const may = useMay('profiles:write');
  const params = { path: { person: person.id } };
  const choose = useAct((choice: { topic: string; subscribed: boolean }) => read(api.POST('/api/v1/people/{person}/consent', { params, body: choice })));
  const suppress = useAct((suppressed: boolean) => read(api.POST('/api/v1/people/{person}/suppress', { params, body: { suppressed } })));
  const topics = Object.entries(person.consents as Record<string, unknown>);
  return (
    <Panel title={t.people.consent} action={person.suppressed && <Word word="suppressed" />}>
      <Stack gap="sm">
        {topics.length === 0 && (
          <Text size="sm" c="dimmed">
            {t.people.noTopics}
          </Text>
        )}
        {topics.map(([topic, choice]) => {
          const subscribed = choice === true || choice === 'subscribed';
          return <Switch key={topic} label={topic} checked={subscribed} disabled={!may} onChange={(event) => choose.mutate({ topic, subscribed: event.currentTarget.checked })} />;
        })}
        {may && <AskedButton label={person.suppressed ? t.people.unsuppress : t.people.suppress} text={t.people.suppressText} onYes={() => suppress.mutate(!person.suppressed)} w="fit-content" />}
      </Stack>
    </Panel>
  );
}
