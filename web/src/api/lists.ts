/** Lists in parts: the next one is fetched when the reader comes to the end. */
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';

/** How many rows one part has. */
export const PART_ROWS = 100;

export interface Part<T> {
  data: T[];
  next_cursor?: string | null;
}

/** All rows fetched so far, and how to get more. */
export function useList<T>(key: unknown[], fetchPart: (cursor: string | undefined) => Promise<Part<T>>, options?: { refetchInterval?: number; enabled?: boolean }) {
  const list = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => fetchPart(pageParam),
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    ...options,
  });
  return { ...list, rows: list.data?.pages.flatMap((part) => part.data) ?? [] };
}
