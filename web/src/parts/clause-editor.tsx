/** A condition as clauses; the text is the truth, and both are always in step. */
import { ActionIcon, Autocomplete, Button, Group, SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';

import { type Clause, OPERATORS, parse, print } from './clauses';
import { t } from '../texts';

const FIELDS = ['plan', 'status', 'mrr', 'seats', 'health', 'health.zone', 'count("session_started", 7d)', 'since(last("session_started"))', 'active_people(30d) / seats', 'until(renewal_date)', 'drop(count("session_started"), 7d)'];
const FRESH: Clause = { field: 'mrr', operator: '>=', value: '1000' };

export function ClauseEditor({ when, onChange }: { when: string; onChange: (text: string) => void }) {
  const found = parse(when);
  if (!found) {
    return (
      <Text size="sm" c="dimmed">
        {t.segments.clauseHint}
      </Text>
    );
  }
  const { join, clauses } = found;
  const write = (next: Clause[], word = join) => onChange(print({ join: word, clauses: next }));
  const change = (at: number, part: Partial<Clause>) => write(clauses.map((clause, index) => (index === at ? { ...clause, ...part } : clause)));
  const joins = [
    { value: 'and', label: t.segments.all },
    { value: 'or', label: t.segments.someOf },
  ];
  return (
    <Stack gap="sm">
      {clauses.length > 1 && <SegmentedControl w="fit-content" size="xs" data={joins} value={join} onChange={(word) => write(clauses, word as 'and' | 'or')} aria-label={t.segments.join} />}
      {clauses.map((clause, at) => (
        <Group key={at} gap="xs" wrap="nowrap">
          <Autocomplete aria-label={t.segments.field} data={FIELDS} defaultValue={clause.field} onBlur={(event) => event.currentTarget.value && change(at, { field: event.currentTarget.value })} onOptionSubmit={(field) => change(at, { field })} style={{ flex: 2 }} />
          <Select aria-label={t.segments.operator} data={OPERATORS} value={clause.operator} onChange={(operator) => operator && change(at, { operator })} w={100} allowDeselect={false} />
          <TextInput aria-label={t.segments.value} defaultValue={clause.value} onBlur={(event) => event.currentTarget.value && change(at, { value: event.currentTarget.value })} style={{ flex: 1 }} />
          <ActionIcon variant="default" aria-label={t.segments.removeClause} onClick={() => write(clauses.filter((_, index) => index !== at))} size="lg">
            <IconTrash size={16} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
      <Button variant="default" w="fit-content" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => write([...clauses, FRESH])}>
        {t.segments.addClause}
      </Button>
    </Stack>
  );
}
