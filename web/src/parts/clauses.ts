/** Conditions of the common form as clauses: comparisons and memberships, joined by one word. */
export interface Clause {
  field: string;
  operator: string;
  value: string;
}

export interface Clauses {
  join: 'and' | 'or';
  clauses: Clause[];
}

export const OPERATORS = ['==', '!=', '>=', '<=', '>', '<', 'in', 'not in'];

/** Splits at a word that stands outside quotes and brackets. */
function split(text: string, word: string): string[] {
  const parts: string[] = [];
  let [depth, quoted, from] = [0, false, 0];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at] ?? '';
    if (letter === '"') quoted = !quoted;
    else if (!quoted && '([{'.includes(letter)) depth += 1;
    else if (!quoted && ')]}'.includes(letter)) depth -= 1;
    if (quoted || depth > 0 || !text.startsWith(word, at)) continue;
    parts.push(text.slice(from, at).trim());
    from = at + word.length;
    at = from - 1;
  }
  return [...parts, text.slice(from).trim()];
}

/** One comparison; null when the text is something else. */
function clause(text: string): Clause | null {
  for (const operator of [' not in ', ' in ', ' == ', ' != ', ' >= ', ' <= ', ' > ', ' < ']) {
    const [field, value, more] = split(text, operator);
    if (field && value && more === undefined) return { field, operator: operator.trim(), value };
  }
  return null;
}

/** The clauses of a condition; null when it is more than clauses can show. */
export function parse(text: string): Clauses | null {
  const flat = text.replace(/\s+/g, ' ').trim();
  if (flat === '') return { join: 'and', clauses: [] };
  const [ands, ors] = [split(flat, ' and '), split(flat, ' or ')];
  if (ands.length > 1 && ors.length > 1) return null;
  const join = ors.length > 1 ? 'or' : 'and';
  const found = (join === 'or' ? ors : ands).map(clause);
  return found.every((one) => one !== null) ? { join, clauses: found } : null;
}

/** The condition that clauses stand for. */
export const print = ({ join, clauses }: Clauses): string => clauses.map((one) => `${one.field} ${one.operator} ${one.value}`).join(` ${join} `);
