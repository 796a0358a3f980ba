/** A table that draws only the rows in sight, so that a hundred thousand are as quick as ten. */
import { Box, Center, Loader } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useRef } from 'react';

import { t } from '../texts';
import { Failure } from './page';
import classes from './table.module.css';

/** Height of a row in pixels, as the style has it. */
const ROW_PX = 45;
/** Rows drawn beyond each edge. */
const OVERSCAN_ROWS = 12;

export interface Column<T> {
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** Right-aligned figures. */
  number?: boolean;
  /** Name of the order by this column; without one it cannot be sorted. */
  sort?: string;
}

interface Listed<T> {
  rows: T[];
  error: Error | null;
  isPending: boolean;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
  refetch: () => unknown;
}

interface Props<T> {
  label: string;
  list: Listed<T>;
  columns: Column<T>[];
  rowKey: (row: T) => string;
  empty: ReactNode;
  onOpen?: (row: T) => void;
  chosen?: string;
  height?: number | string;
  sort?: string;
  onSort?: (order: string) => void;
}

export function DataTable<T>(props: Props<T>) {
  const { list, columns } = props;
  const scroll = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: list.rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN_ROWS,
  });
  const drawn = rows.getVirtualItems();
  const last = drawn.at(-1)?.index ?? 0;
  const nearEnd = last >= list.rows.length - OVERSCAN_ROWS;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  useEffect(() => {
    if (nearEnd && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [nearEnd, hasNextPage, isFetchingNextPage, fetchNextPage]);

  if (list.error && list.rows.length === 0) return <Failure error={list.error} retry={() => void list.refetch()} />;
  if (list.isPending) return <Waiting />;
  if (list.rows.length === 0) return <>{props.empty}</>;
  const above = drawn[0]?.start ?? 0;
  const below = Math.max(0, rows.getTotalSize() - (drawn.at(-1)?.end ?? 0));
  return (
    <Box ref={scroll} className={classes.scroll} mah={props.height ?? 'calc(100vh - 250px)'} tabIndex={0} role="region" aria-label={props.label}>
      <table className={classes.table} aria-rowcount={list.hasNextPage ? -1 : list.rows.length}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Heading key={column.key} column={column} sort={props.sort} onSort={props.onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap height={above} />
          {drawn.map((item) => {
            const row = list.rows[item.index];
            return row === undefined ? null : <Row key={props.rowKey(row)} row={row} {...props} />;
          })}
          <Gap height={below} />
        </tbody>
      </table>
    </Box>
  );
}

function Row<T>({ row, columns, rowKey, onOpen, chosen }: Props<T> & { row: T }) {
  return (
    <tr data-clickable={Boolean(onOpen)} data-chosen={chosen === rowKey(row)} onClick={() => onOpen?.(row)}>
      {columns.map((column) => (
        <td key={column.key} className={column.number ? classes.number : undefined}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}

function Heading<T>({ column, sort, onSort }: { column: Column<T>; sort?: string; onSort?: (order: string) => void }) {
  const down = sort === `-${column.sort}`;
  const sorted = column.sort !== undefined && (sort === column.sort || down);
  const className = column.number ? classes.number : undefined;
  if (!column.sort || !onSort) {
    return (
      <th scope="col" className={className}>
        {column.title}
      </th>
    );
  }
  const next = sorted && !down ? `-${column.sort}` : column.sort;
  return (
    <th scope="col" className={className} aria-sort={sorted ? (down ? 'descending' : 'ascending') : 'none'}>
      <button type="button" className={classes.sort} onClick={() => onSort(next)}>
        {column.title} {sorted ? (down ? '↓' : '↑') : ''}
      </button>
    </th>
  );
}

const Gap = ({ height }: { height: number }) => (height > 0 ? <tr aria-hidden style={{ height }} /> : null);

const Waiting = () => (
  <Center py="xl">
    <Loader type="dots" aria-label={t.loading} />
  </Center>
);
