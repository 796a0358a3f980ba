/** What every page is made of: a header, empty states that say what to do, errors with a way out. */
import { Alert, Box, Button, Center, Group, Loader, Paper, type PaperProps, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import { IconAlertTriangle, IconInbox } from '@tabler/icons-react';
import { type ReactNode, useEffect } from 'react';

import { t } from '../texts';

export function Page({ title, about, actions, children }: { title: string; about?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
  }, [title]);
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-end" gap="sm">
        <Box>
          <Title order={1} size="h2">
            {title}
          </Title>
          {about && (
            <Text c="dimmed" component="div">
              {about}
            </Text>
          )}
        </Box>
        <Group gap="xs">{actions}</Group>
      </Group>
      {children}
    </Stack>
  );
}

export function Panel({ title, action, children, ...rest }: { title?: ReactNode; action?: ReactNode; children: ReactNode } & PaperProps) {
  return (
    <Paper withBorder p="md" {...rest}>
      {(title || action) && (
        <Group justify="space-between" mb="sm">
          <Title order={2} size="h5">
            {title}
          </Title>
          {action}
        </Group>
      )}
      {children}
    </Paper>
  );
}

export function Empty({ title, fix, action }: { title: string; fix?: ReactNode; action?: ReactNode }) {
  return (
    <Center py="xl">
      <Stack align="center" gap="xs" maw={420}>
        <ThemeIcon variant="light" size="xl" radius="xl">
          <IconInbox size={22} aria-hidden />
        </ThemeIcon>
        <Text fw={600}>{title}</Text>
        {fix && (
          <Text c="dimmed" ta="center" size="sm">
            {fix}
          </Text>
        )}
        {action}
      </Stack>
    </Center>
  );
}

/** An error in place of what it kept from being shown. */
export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const fix = 'fix' in error ? String(error.fix) : undefined;
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle aria-hidden />} title={t.error.title} role="alert">
      <Text size="sm">{error.message}</Text>
      {fix && (
        <Text size="sm" mt={4}>
          {fix}
        </Text>
      )}
      {retry && (
        <Button size="xs" variant="default" mt="sm" onClick={retry}>
          {t.retry}
        </Button>
      )}
    </Alert>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

/** What was asked for, once it is there; until then a quiet wait, or the failure. */
export function Loaded<T>({ query, children }: { query: Asked<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return (
    <Center py="xl">
      <Loader type="dots" aria-label={t.loading} />
    </Center>
  );
}
