/** The one cache of what the server said. */
import { QueryClient } from '@tanstack/react-query';

/** How long an answer counts as fresh, in milliseconds. */
const STALE_MS = 10_000;

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: STALE_MS,
      // A refusal stays one; what the network lost is asked for again.
      retry: (count, error) => count < 2 && !('status' in error && Number(error.status) < 500),
    },
  },
});
