/** Writing a definition: the text, what is wrong with it, and publishing it. */
import { Alert, Button, Group, Modal, Radio, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconAlertTriangle, IconCheck } from '@tabler/icons-react';
import { lazy, Suspense, useState } from 'react';

import type { Diagnostic } from '../api/client';
import { type Checked, type OnPublish, publish, type SourceFile, useCheck } from '../api/definitions';
import { useMay } from '../shell/user';
import { useAct } from './act';
import { t } from '../texts';

export const Editor = lazy(() => import('./editor'));

interface Props {
  label: string;
  file: SourceFile;
  onChange: (text: string) => void;
  language: 'yaml' | 'html';
  height?: number | string;
  line?: number;
  onPublished?: () => void;
}

export function DefinitionEditor({ label, file, onChange, language, height = 460, line, onPublished }: Props) {
  const { checked, diagnostics, current } = useCheck(file);
  return (
    <Stack gap="sm">
      <Suspense>
        <Editor label={label} value={file.text} onChange={onChange} language={language} diagnostics={diagnostics} height={height} line={line} />
      </Suspense>
      <Group justify="space-between" align="flex-start">
        <Verdict diagnostics={diagnostics} />
        <Publish file={file} checked={current ? checked : null} onPublished={onPublished} />
      </Group>
    </Stack>
  );
}

/** What is wrong, in words; or that nothing is. */
export function Verdict({ diagnostics }: { diagnostics: Diagnostic[] }) {
  const errors = diagnostics.filter((found) => found.severity !== 'warning');
  if (diagnostics.length === 0) {
    return (
      <Group gap={6} role="status">
        <IconCheck size={16} color="var(--mantine-color-teal-6)" aria-hidden />
        <Text size="sm">{t.programs.check}</Text>
      </Group>
    );
  }
  return (
    <Alert color={errors.length > 0 ? 'red' : 'yellow'} variant="light" p="xs" icon={<IconAlertTriangle aria-hidden />} role="status" title={t.programs.problems(diagnostics.length)} maw={640}>
      {diagnostics.slice(0, 5).map((found) => (
        <Text size="sm" key={`${found.line}:${found.column}:${found.message}`}>
          {found.line ? `${found.line}:${found.column} ` : ''}
          {found.message}
          {found.help ? `; ${found.help}` : ''}
        </Text>
      ))}
    </Alert>
  );
}

/** Publishes what was checked; asks what becomes of those who are inside. */
export function Publish({ file, checked, onPublished }: { file: SourceFile; checked: Checked | null; onPublished?: () => void }) {
  const may = useMay('definitions:write');
  const [opened, { open, close }] = useDisclosure(false);
  const [choice, setChoice] = useState<OnPublish>('keep');
  const affected = checked?.affected ?? [];
  const act = useAct(() => publish(file, Object.fromEntries(affected.map((program) => [program.program, choice]))), t.segments.published);
  const go = () => {
    close();
    act.mutate(undefined, { onSuccess: () => onPublished?.() });
  };
  if (!may) return null;
  const changes = checked ? checked.changes.added.length + checked.changes.changed.length : 0;
  return (
    <>
      <Button disabled={changes === 0} loading={act.isPending} onClick={affected.length > 0 ? open : go}>
        {t.programs.publish}
      </Button>
      <Modal opened={opened} onClose={close} title={t.programs.publishTitle} centered closeButtonProps={{ 'aria-label': t.close }}>
        <Stack>
          <Text size="sm">{t.programs.affected(affected.reduce((sum, program) => sum + program.active_count, 0))}</Text>
          <Radio.Group label={t.programs.onPublish} value={choice} onChange={(value) => setChoice(value as OnPublish)}>
            <Stack gap="xs" mt="xs">
              <Radio value="keep" label={t.programs.keep} />
              <Radio value="migrate" label={t.programs.migrate} />
              <Radio value="exit" label={t.programs.exit} />
            </Stack>
          </Radio.Group>
          <Button onClick={go}>{t.programs.publish}</Button>
        </Stack>
      </Modal>
    </>
  );
}
