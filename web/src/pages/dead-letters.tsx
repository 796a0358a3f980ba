import { Button, Code, Group, Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { api, read, type Schemas } from '../api/client';
import { useList } from '../api/lists';
import { AskedButton, useAct } from '../parts/act';
import { dateTime } from '../parts/format';
import { Empty, Page, Panel } from '../parts/page';
import { DataTable } from '../parts/table';
import { useUrl } from '../parts/url';
import { t } from '../texts';

type Letter = Schemas['DeadLetterRow'];

export default function DeadLettersPage() {
  const [url, change] = useUrl();
  const list = useList<Letter>(['dead-letters', url.kind], (cursor) => read(api.GET('/api/v1/dead-letters', { params: { query: { kind: url.kind, cursor, limit: 100 } } })));
  const kinds = [...new Set([...list.rows.map((row) => row.kind), ...(url.kind ? [url.kind] : [])])];
  const body = { kind: url.kind ?? null, before: null, of: null, reason: null };
  const said = (outcome: { done_count: number; failed_count: number }) => t.deadLetters.replayed(outcome.done_count, outcome.failed_count);
  const replayAll = useAct(() => read(api.POST('/api/v1/dead-letters/replay', { body })), said);
  const actions = list.rows.length > 0 && <AskedButton label={t.deadLetters.replayAll} text={t.deadLetters.about} onYes={() => replayAll.mutate(undefined)} />;
  return (
    <Page title={t.deadLetters.title} about={t.deadLetters.about} actions={actions}>
      {kinds.length > 0 && <Select aria-label={t.deadLetters.kind} placeholder={t.deadLetters.kind} data={kinds} value={url.kind ?? null} onChange={(kind) => change({ kind })} clearable w={220} clearButtonProps={{ 'aria-label': t.accounts.clear }} />}
      <DataTable
        label={t.deadLetters.title}
        list={list}
        rowKey={(row) => row.id}
        chosen={url.letter}
        onOpen={(row) => change({ letter: row.id }, true)}
        height={420}
        empty={<Empty title={t.deadLetters.empty} fix={t.deadLetters.emptyFix} />}
        columns={[
          { key: 'at', title: t.deadLetters.at, cell: (row) => <Button variant="subtle" size="compact-sm" onClick={() => change({ letter: row.id }, true)}>{dateTime(row.at)}</Button> },
          { key: 'kind', title: t.deadLetters.kind, cell: (row) => row.kind },
          { key: 'of', title: t.deadLetters.of, cell: (row) => row.of ?? t.none },
          { key: 'reason', title: t.deadLetters.reason, cell: (row) => <span title={row.reason}>{row.reason}</span> },
        ]}
      />
      {url.letter && list.rows.some((row) => row.id === url.letter) && <Chosen id={url.letter} />}
    </Page>
  );
}

function Chosen({ id }: { id: string }) {
  const params = { path: { id } };
  const letter = useQuery({ queryKey: ['dead-letter', id], queryFn: () => read(api.GET('/api/v1/dead-letters/{id}', { params })) });
  const replay = useAct(() => read(api.POST('/api/v1/dead-letters/{id}/replay', { params })), t.deadLetters.one);
  const discard = useAct(() => read(api.POST('/api/v1/dead-letters/{id}/discard', { params })), t.deadLetters.discarded);
  if (!letter.data) return null;
  return (
    <Panel
      title={letter.data.reason}
      action={
        <Group gap="xs">
          <Button onClick={() => replay.mutate(undefined)} loading={replay.isPending}>
            {t.deadLetters.replay}
          </Button>
          <AskedButton label={t.deadLetters.discard} text={t.deadLetters.discardText} onYes={() => discard.mutate(undefined)} />
        </Group>
      }
    >
      <Code block tabIndex={0}>
        {JSON.stringify(letter.data.content ?? letter.data, null, 2)}
      </Code>
    </Panel>
  );
}
