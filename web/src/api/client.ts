/** The API client, generated from the OpenAPI document, with the session's token and problems as errors. */
import createClient, { type Middleware } from 'openapi-fetch';

import type { components, paths } from './schema.gen';
import { csrfToken, sessionIsOver } from './session';

export type Schemas = components['schemas'];

/** A problem document (RFC 9457) as an error: what went wrong and what to do about it. */
export class ProblemError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly fix: string,
    readonly diagnostics: Diagnostic[],
  ) {
    super(detail);
  }
}

/** What is wrong with a definition, with its place (lines and columns begin with 1). */
export interface Diagnostic {
  code: string;
  message: string;
  help?: string | null;
  file?: string;
  line?: number;
  column?: number;
  span?: { start: number; end: number };
  severity?: string;
}

const session: Middleware = {
  onRequest({ request }) {
    if (request.method !== 'GET') request.headers.set('X-CSRF-Token', csrfToken());
    return request;
  },
  onResponse({ response }) {
    if (response.status === 401) sessionIsOver();
    return undefined;
  },
};

export const api = createClient<paths>({ baseUrl: '' });
api.use(session);

interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of an answer, or its problem thrown. */
export async function read<T>(call: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (response.ok) return data as T;
  throw problemOf(response.status, error);
}

/** A problem from whatever the server said. */
export function problemOf(status: number, body: unknown): ProblemError {
  const said = (body ?? {}) as Partial<Schemas['ProblemDocument']>;
  return new ProblemError(
    status,
    said.code ?? 'internal',
    said.detail ?? `The server answered ${status}.`,
    said.fix ?? 'Try again in a moment.',
    (said.diagnostics ?? []) as unknown as Diagnostic[],
  );
}
