import { expect, test } from 'vitest';

import { pick } from '../texts';
import { en } from '../texts/en';
import { ago, duration, shown } from './format';

const now = Date.parse('2026-03-10T12:00:00Z');

test('times are told from now, in the unit that fits', () => {
  expect(ago('2026-03-10T11:55:00Z', now)).toMatch(/5 min/);
  expect(ago('2026-03-10T15:00:00Z', now)).toMatch(/3 hr/);
  expect(ago('2026-03-07T12:00:00Z', now)).toMatch(/3 days ago/);
  expect(ago(null, now)).toBe(en.none);
});

test('traits are shown as people write them', () => {
  expect(shown(1234.5)).toBe((1234.5).toLocaleString());
  expect(shown(false)).toBe(en.no);
  expect(shown('')).toBe(en.none);
  expect(shown(['a'])).toBe('["a"]');
});

test('a duration has its largest whole unit', () => {
  expect(duration(14 * 86_400_000)).toBe('14 d');
  expect(duration(5_400_000)).toBe('2 h');
});

test('a language nobody translated falls back to English', () => {
  expect(pick(['tlh', 'en-GB'])).toBe(en);
  expect(pick([])).toBe(en);
});
