/** The texts of the language in use. */
import { en, type Texts } from './en';

const catalogues: Record<string, Texts> = { en };

/** The best catalogue that the browser's languages lead to. */
export function pick(languages: readonly string[]): Texts {
  const known = languages.map((tag) => tag.split('-')[0] ?? '').find((tag) => tag in catalogues);
  return catalogues[known ?? 'en'] ?? en;
}

export const t: Texts = pick(typeof navigator === 'undefined' ? [] : navigator.languages);
