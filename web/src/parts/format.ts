/** Times, numbers and traits as people read them, in their own locale. */
import { t } from '../texts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

/** "3 days ago", seen from `now` (milliseconds). */
export function ago(at: string | null | undefined, now: number): string {
  if (!at) return t.none;
  const ms = Date.parse(at) - now;
  const size = Math.abs(ms);
  if (size < HOUR_MS) return relative.format(Math.round(ms / MINUTE_MS), 'minute');
  if (size < DAY_MS) return relative.format(Math.round(ms / HOUR_MS), 'hour');
  if (size < 60 * DAY_MS) return relative.format(Math.round(ms / DAY_MS), 'day');
  return relative.format(Math.round(ms / (30.44 * DAY_MS)), 'month');
}

export const dateTime = (at: string | null | undefined) => (at ? new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : t.none);

export const date = (at: string | null | undefined) => (at ? new Date(at).toLocaleDateString(undefined, { dateStyle: 'medium' }) : t.none);

export const number = (value: number | null | undefined, digits = 0) => (value === null || value === undefined ? t.none : value.toLocaleString(undefined, { maximumFractionDigits: digits }));

export const percent = (share: number | null | undefined) => (share === null || share === undefined ? t.none : share.toLocaleString(undefined, { style: 'percent', maximumFractionDigits: 1 }));

/** `usage_dropped` as "usage dropped". */
export const words = (name: string) => name.replaceAll('_', ' ');

/** A trait's value as text. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return t.none;
  if (typeof value === 'number') return number(value, 2);
  if (typeof value === 'boolean') return value ? t.yes : t.no;
  if (typeof value === 'string') return value;
  return JSON.stringify(value);
}

/** A duration in milliseconds in its largest whole unit. */
export function duration(ms: number): string {
  if (ms % DAY_MS === 0 && ms >= DAY_MS) return `${ms / DAY_MS} d`;
  if (ms >= HOUR_MS) return `${Math.round(ms / HOUR_MS)} h`;
  if (ms >= MINUTE_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  return `${ms} ms`;
}
