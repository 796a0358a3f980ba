/** Operations newer than the committed OpenAPI document. */
import { problemOf } from './client';
import { csrfToken } from './session';

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrfToken() };
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const answer: unknown = await response.json().catch(() => null);
  if (!response.ok) throw problemOf(response.status, answer);
  return answer as T;
}
