import { expect, test } from 'vitest';

import { parse, print } from './clauses';

test('a condition of comparisons becomes clauses and the same text again', () => {
  for (const text of [
    'plan in ["pro", "enterprise"] and status != "churned"',
    'count("order", 30d, where total > 100 and paid) >= 2',
    'mrr > 100 or since(last("session_started")) >= 10d',
    'plan not in ["free"]',
  ]) {
    const found = parse(text);
    expect(found && print(found)).toBe(text);
  }
  expect(parse('mrr > 100 or seats < 5')?.join).toBe('or');
});

test('what clauses cannot show stays text', () => {
  expect(parse('a > 1 and b > 2 or c > 3')).toBeNull();
  expect(parse('never("invited_teammate")')).toBeNull();
  expect(parse('(a > 1 or b > 2) and c > 3')).toBeNull();
});

test('words in quotes join nothing', () => {
  expect(parse('name == "rock and roll"')?.clauses).toEqual([{ field: 'name', operator: '==', value: '"rock and roll"' }]);
});
