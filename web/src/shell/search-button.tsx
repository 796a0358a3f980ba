import { Kbd, Text, UnstyledButton, Group } from '@mantine/core';
import { spotlight } from '@mantine/spotlight';
import { IconSearch } from '@tabler/icons-react';

import { t } from '../texts';

const STYLE = { border: '1px solid var(--mantine-color-default-border)', borderRadius: 'var(--mantine-radius-md)' };

/** Opens the command palette, as Ctrl+K does. */
export const SearchButton = () => (
  <UnstyledButton onClick={spotlight.open} px="sm" py={5} style={STYLE} aria-label={t.shell.find}>
    <Group gap="sm" wrap="nowrap">
      <IconSearch size={16} aria-hidden />
      <Text size="sm" c="dimmed" visibleFrom="sm" pe="xl">
        {t.shell.find}
      </Text>
      <Kbd size="xs" visibleFrom="sm">
        Ctrl K
      </Kbd>
    </Group>
  </UnstyledButton>
);
