/** Traits of a subject, which may hold anything. */
import { t } from '../texts';

export function traits(subject: { traits?: unknown }) {
  const all = (subject.traits ?? {}) as Record<string, unknown>;
  return {
    all,
    text: (name: string) => (typeof all[name] === 'string' && all[name] !== '' ? (all[name] as string) : undefined),
    number: (name: string) => (typeof all[name] === 'number' ? (all[name] as number) : undefined),
  };
}

/** What people call an account. */
export const accountName = (row: { id: string; external_id?: string | null; traits?: unknown }) => traits(row).text('name') ?? row.external_id ?? row.id;

/** What people call a person. */
export function personName(row: { id: string; emails?: string[]; user_id?: string | null; traits?: unknown }): string {
  const { text } = traits(row);
  const joined = [text('first_name'), text('last_name')].filter(Boolean).join(' ');
  return text('name') ?? (joined || row.emails?.[0] || row.user_id || t.none);
}
