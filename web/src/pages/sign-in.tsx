import { Alert, Button, Center, Group, Image, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';

import { signIn } from '../api/session';
import { useUrl } from '../parts/url';
import { t } from '../texts';

/** A path of the console; never an address elsewhere. */
const local = (next: string | undefined) => (next && /^\/(?![/\\])/.test(next) ? next : '/');

export default function SignInPage() {
  const [search] = useUrl();
  const [fault, setFault] = useState<string>();
  useEffect(() => {
    document.title = t.signIn.title;
  }, []);
  const attempt = useMutation({
    mutationFn: (form: FormData) => signIn(String(form.get('email')), String(form.get('password')), String(form.get('code') ?? '')),
    onSuccess: (answer) => {
      if ('user' in answer) location.assign(local(search.next));
      else setFault(answer.fault);
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    attempt.mutate(new FormData(event.currentTarget));
  };
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder p="xl" w={400} shadow="sm">
        <Stack>
          <Group>
            <Image src="/tenure.svg" alt="" w={36} h={36} />
            <Title order={1} size="h3">
              {t.signIn.title}
            </Title>
          </Group>
          {fault && (
            <Alert color={fault === 'one-time-code' ? 'blue' : 'red'} variant="light" role="alert">
              {t.signIn.faults[fault]}
            </Alert>
          )}
          {attempt.error && <Alert color="red">{attempt.error.message}</Alert>}
          <form onSubmit={submit}>
            <Stack>
              <TextInput name="email" type="email" label={t.signIn.email} autoComplete="username" required data-autofocus />
              <PasswordInput name="password" label={t.signIn.password} autoComplete="current-password" required />
              {fault === 'one-time-code' && <TextInput name="code" label={t.signIn.code} description={t.signIn.codeAbout} inputMode="numeric" autoComplete="one-time-code" required />}
              <Button type="submit" loading={attempt.isPending} fullWidth>
                {t.signIn.submit}
              </Button>
            </Stack>
          </form>
          <Text size="xs" c="dimmed">
            {t.signIn.help}
          </Text>
        </Stack>
      </Paper>
    </Center>
  );
}
