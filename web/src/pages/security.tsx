import { Badge, Button, Code, Group, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';

import { beginCodes, confirmCodes, whoami } from '../api/session';
import { queries } from '../api/queries';
import { useAct } from '../parts/act';
import { Page, Panel } from '../parts/page';
import { useUser } from '../shell/user';
import { t } from '../texts';

export default function SecurityPage() {
  const user = useUser();
  return (
    <Page title={t.security.title} about={`${user.name} · ${user.email}`}>
      <Panel title={t.security.codes} maw={640}>
        {user.one_time_codes ? <Text size="sm">{t.security.codesOn}</Text> : <SetUpCodes />}
      </Panel>
      <Panel title={t.security.role} maw={640}>
        <Text size="sm" mb="xs">
          {t.roles[user.role]}
        </Text>
        <Text size="xs" c="dimmed" mb={4}>
          {t.security.scopes}
        </Text>
        <Group gap={6}>
          {user.scopes.map((scope) => (
            <Badge key={scope} variant="default" tt="none" fw={500}>
              {scope}
            </Badge>
          ))}
        </Group>
      </Panel>
    </Page>
  );
}

function SetUpCodes() {
  const [code, setCode] = useState('');
  const begin = useAct(beginCodes);
  const confirm = useAct(async () => {
    const answer = await confirmCodes(code);
    if (answer.detail) throw new Error(answer.detail);
    await queries.invalidateQueries({ queryKey: whoami.queryKey });
  }, t.security.on);
  if (!begin.data) {
    return (
      <Group justify="space-between">
        <Text size="sm">{t.security.codesOff}</Text>
        <Button onClick={() => begin.mutate(undefined)}>{t.security.begin}</Button>
      </Group>
    );
  }
  return (
    <Stack gap="sm">
      <Text size="sm">{t.security.key}</Text>
      <Code block>{begin.data.key}</Code>
      <Group align="flex-end">
        <TextInput label={t.security.code} value={code} onChange={(event) => setCode(event.currentTarget.value)} inputMode="numeric" autoComplete="one-time-code" />
        <Button onClick={() => confirm.mutate(undefined)} disabled={code.length !== 6}>
          {t.security.confirm}
        </Button>
      </Group>
    </Stack>
  );
}
