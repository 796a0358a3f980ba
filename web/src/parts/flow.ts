/** A program's YAML as a picture: steps below one another, arms side by side. */
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';

export interface FlowNode {
  id: string;
  kind: string;
  title: string;
  /** Line in the text, counted from 1. */
  line: number;
  x: number;
  y: number;
}

export interface FlowEdge {
  from: string;
  to: string;
  label?: string;
}

export interface Flow {
  nodes: FlowNode[];
  edges: FlowEdge[];
}

const KINDS = ['send', 'task', 'wait', 'branch', 'split', 'set', 'emit', 'webhook', 'enroll', 'exit'];
/** Distances of the picture, in pixels. */
const COLUMN_PX = 250;
const ROW_PX = 110;

interface End {
  id: string;
  label?: string;
}

class Drawer {
  readonly flow: Flow = { nodes: [], edges: [] };
  private counts: Record<string, number> = {};
  constructor(private readonly lines: LineCounter) {}

  /** Draws steps from a place on; gives the open ends, the width in columns and the next row. */
  steps(list: YAMLSeq, ends: End[], column: number, row: number): { ends: End[]; width: number; row: number } {
    let open = ends;
    let width = 1;
    for (const item of list.items) {
      if (!isMap(item)) continue;
      const drawn = this.step(item, open, column, row);
      [open, row, width] = [drawn.ends, drawn.row, Math.max(width, drawn.width)];
    }
    return { ends: open, width, row };
  }

  node(id: string, kind: string, title: string, offset: number, column: number, row: number): string {
    this.flow.nodes.push({ id, kind, title, line: this.lines.linePos(offset).line, x: column * COLUMN_PX, y: row * ROW_PX });
    return id;
  }

  private step(item: YAMLMap, ends: End[], column: number, row: number) {
    const kind = KINDS.find((known) => item.has(known)) ?? 'step';
    const count = (this.counts[kind] ?? 0) + 1;
    this.counts[kind] = count;
    const id = text(item.get('id')) ?? `${kind}-${count}`;
    this.node(id, kind, titleOf(item, kind), item.range?.[0] ?? 0, column, row);
    for (const end of ends) this.flow.edges.push({ from: end.id, to: id, label: end.label });
    const arms = armsOf(item, kind);
    if (kind === 'exit') return { ends: [], width: 1, row: row + 1 };
    if (arms.length === 0) return { ends: [{ id }], width: 1, row: row + 1 };
    const open: End[] = [];
    let [width, deepest] = [0, row + 1];
    for (const arm of arms) {
      const drawn = this.steps(arm.steps, [{ id, label: arm.label }], column + width, row + 1);
      open.push(...drawn.ends);
      width += drawn.width;
      deepest = Math.max(deepest, drawn.row);
    }
    // Whoever takes no arm goes on.
    if (!arms.some((arm) => arm.label === 'else') && kind !== 'split') open.push({ id });
    return { ends: open, width, row: deepest };
  }
}

interface Arm {
  label: string;
  steps: YAMLSeq;
}

function armsOf(item: YAMLMap, kind: string): Arm[] {
  const body = item.get(kind);
  if (isMap(body)) {
    return ['then', 'else'].flatMap((label) => {
      const steps = body.get(label);
      return isSeq(steps) ? [{ label, steps }] : [];
    });
  }
  if (!isSeq(body)) return [];
  return body.items.flatMap((arm) => {
    if (!isMap(arm)) return [];
    const inner = arm.get('else');
    const steps = arm.get('steps') ?? (isMap(inner) ? inner.get('steps') : inner);
    const label = text(arm.get('name')) ?? text(arm.get('if')) ?? 'else';
    return isSeq(steps) ? [{ label, steps }] : [];
  });
}

const text = (value: unknown): string | undefined => (typeof value === 'string' || typeof value === 'number' ? String(value) : isScalar(value) ? String(value.value) : undefined);

function titleOf(item: YAMLMap, kind: string): string {
  const told = text(item.get('title')) ?? text(item.get('template'));
  if (told) return told;
  const body = item.get(kind);
  if (!isMap(body)) return text(body) ?? text(item.get('id')) ?? '';
  const facts = body.items.filter((pair) => isPair(pair) && text(pair.value) !== undefined).map((pair) => `${text(pair.key)} ${text(pair.value)}`);
  return facts.join(', ');
}

/** The picture of a program; null while the text is no program. */
export function flowOf(source: string): Flow | null {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  if (!isMap(document.contents)) return null;
  const root = document.contents;
  const drawer = new Drawer(lines);
  const enter = root.get('enter', true);
  const at = enter && typeof enter === 'object' && 'range' in enter ? ((enter.range as [number] | undefined)?.[0] ?? 0) : 0;
  const entry = isMap(root.get('enter')) ? (root.get('enter') as YAMLMap) : undefined;
  const words = entry?.items.filter((pair) => text(pair.value) !== undefined).map((pair) => `${text(pair.key)}: ${text(pair.value)}`)[0] ?? '';
  drawer.node('enter', 'enter', words, at, 0, 0);
  const steps = root.get('steps');
  if (isSeq(steps)) drawer.steps(steps, [{ id: 'enter' }], 0, 1);
  return drawer.flow;
}
