/** Filters, tabs and choices live in the address, so that a link shows what its sender saw. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

export type Search = Record<string, string | undefined>;

/** Whatever an address says, as texts. */
export const texts = (raw: Record<string, unknown>): Search =>
  Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]));

/** The address's parameters, and a way to change some; null takes one out. */
export function useUrl(): [Search, (change: Record<string, string | null | undefined>, push?: boolean) => void] {
  const search: Search = useSearch({ strict: false });
  const navigate = useNavigate();
  const change = useCallback(
    (wanted: Record<string, string | null | undefined>, push = false) => {
      const next = (old: Search) => Object.fromEntries(Object.entries({ ...old, ...wanted }).filter(([, value]) => value));
      void navigate({ to: '.', search: next as never, replace: !push });
    },
    [navigate],
  );
  return [search, change];
}
