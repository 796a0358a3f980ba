/** Doing something: with a word when it worked, the problem when it did not, and a question before what cannot be undone. */
import { Button, type ButtonProps, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';

import { queries } from '../api/queries';
import { t } from '../texts';

/** Tells what went wrong, and what to do about it. */
export function complain(error: Error): void {
  const fix = 'fix' in error ? ` ${String(error.fix)}` : '';
  notifications.show({ color: 'red', title: t.failed, message: `${error.message}.${fix}`.replace('..', '.') });
}

/** Something that changes the server; afterwards all that is shown is asked for anew. */
export function useAct<V, R>(run: (value: V) => Promise<R>, said?: string | ((result: R) => string)) {
  return useMutation({
    mutationFn: run,
    onSuccess: (result) => {
      void queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
      const message = typeof said === 'function' ? said(result) : said;
      if (message) notifications.show({ message });
    },
    onError: complain,
  });
}

interface AskedProps extends ButtonProps {
  label: string;
  /** What will happen, and to how many. */
  text: ReactNode;
  onYes: () => void;
  /** Must be typed first. */
  name?: string;
}

/** A button whose act needs a yes. */
export function AskedButton({ label, text, onYes, name, ...rest }: AskedProps) {
  const [opened, { open, close }] = useDisclosure(false);
  const [typed, setTyped] = useState('');
  const yes = () => {
    close();
    onYes();
  };
  return (
    <>
      <Button variant="default" {...rest} onClick={open}>
        {label}
      </Button>
      <Modal opened={opened} onClose={close} title={label} centered closeButtonProps={{ 'aria-label': t.close }}>
        <Stack>
          <Text size="sm">{text}</Text>
          {name && <TextInput label={t.confirmName(name)} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} data-autofocus />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t.cancel}
            </Button>
            <Button color="red" onClick={yes} disabled={name !== undefined && typed !== name}>
              {label}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
