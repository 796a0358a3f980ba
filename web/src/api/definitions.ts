/** Definitions while they are written: checked as you type, published when they are right. */
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';

import { api, type Diagnostic, ProblemError, read, type Schemas } from './client';
import { send } from './raw';

/** After how many milliseconds without a key a text is checked. */
const PAUSE_MS = 300;

export interface SourceFile {
  path: string;
  text: string;
}

export interface Checked {
  changes: { added: string[]; changed: string[]; removed: string[] };
  warnings: Diagnostic[];
  affected: { program: string; active_count: number }[];
}

/** What is wrong with a file, and what publishing it would change. */
export function useCheck(file: SourceFile) {
  const [settled] = useDebouncedValue(file.text, PAUSE_MS);
  const check = useQuery({
    queryKey: ['check', file.path, settled],
    placeholderData: keepPreviousData,
    queryFn: async () => {
      try {
        const checked = await send<Checked>('POST', '/api/v1/definitions/validate', { files: [{ path: file.path, text: settled }] });
        return { checked, diagnostics: checked.warnings };
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        const fallback: Diagnostic = { code: error.code, message: error.detail };
        return { checked: null, diagnostics: error.diagnostics.length > 0 ? error.diagnostics : [fallback] };
      }
    },
  });
  return { checked: check.data?.checked ?? null, diagnostics: check.data?.diagnostics ?? [], current: settled === file.text && !check.isPlaceholderData };
}

export type OnPublish = 'keep' | 'migrate' | 'exit';

/** How often it is asked whether the engine works by a new plan, in milliseconds, and how many times. */
const IN_FORCE_MS = 400;
const IN_FORCE_LOOKS = 100;

/** Publishes one file; done when the engine works by it. */
export async function publish(file: SourceFile, onPublish: Record<string, OnPublish> = {}): Promise<void> {
  const { version } = await send<{ version: number }>('POST', '/api/v1/definitions/apply', { files: [file], on_publish: onPublish });
  for (let look = 0; look < IN_FORCE_LOOKS; look += 1) {
    const workspace = await read(api.GET('/api/v1/workspace'));
    if ((workspace.plan ?? 0) >= version) return;
    await new Promise((next) => setTimeout(next, IN_FORCE_MS));
  }
}

export interface AudienceCount {
  checked_count: number;
  complete: boolean;
  matching_count: number | null;
  sample: string[];
}

/** Who would be in a segment now. */
export const countAudience = (file: SourceFile, segment: string) => send<AudienceCount>('POST', '/api/v1/definitions/audience', { files: [file], segment });

export type Definition = Schemas['DefinitionRow'];

/** One definition in force. */
export function useDefinition(kind: string, name: string, enabled = true) {
  return useQuery({
    queryKey: ['definition', kind, name],
    enabled,
    queryFn: async () => {
      const found = await read(api.GET('/api/v1/definitions/{kind}/{name}', { params: { path: { kind, name } } }));
      return found.data[0];
    },
  });
}
