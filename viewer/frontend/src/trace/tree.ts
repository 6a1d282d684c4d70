/** What a waterfall needs to know of a skeleton: subtrees, troubles below, visible rows. Pure. */

import { isModelCall } from "../family.ts";
import type { Columns, Skeleton } from "../api/types.ts";

const TOOLS = new Set(["function", "mcp_tools"]);

export interface Tree {
  count: number;
  columns: Columns;
  /** Row after the last descendant, per row. */
  subtreeEnd: Int32Array;
  /** Failed spans among the descendants, per row. */
  errorsBelow: Int32Array;
  rowOf: Map<string, number>;
  errorRows: number[];
  /** End of the last ended span, in microseconds from the origin. */
  lastEndUs: number;
  running: boolean;
}

export function buildTree(skeleton: Skeleton): Tree {
  const { columns, count } = skeleton;
  const subtreeEnd = new Int32Array(count);
  const errorsBelow = new Int32Array(count);
  const rowOf = new Map<string, number>();
  const errorRows: number[] = [];
  let lastEndUs = 0;
  let running = false;
  const open: number[] = [];
  for (let row = 0; row < count; row++) {
    const depth = columns.depth[row] ?? 0;
    while (open.length > 0 && (columns.depth[open[open.length - 1]!] ?? 0) >= depth) {
      subtreeEnd[open.pop()!] = row;
    }
    if (columns.status[row] === "error") {
      errorRows.push(row);
      for (const ancestor of open) errorsBelow[ancestor]! += 1;
    }
    const dur = columns.dur_us[row] ?? null;
    if (dur === null) running ||= columns.status[row] === "running";
    lastEndUs = Math.max(lastEndUs, (columns.start_us[row] ?? 0) + (dur ?? 0));
    rowOf.set(columns.span_id[row]!, row);
    open.push(row);
  }
  for (const row of open) subtreeEnd[row] = count;
  return { count, columns, subtreeEnd, errorsBelow, rowOf, errorRows, lastEndUs, running };
}

export function hasChildren(tree: Tree, row: number): boolean {
  return tree.subtreeEnd[row]! > row + 1;
}

/** Rows not hidden by a collapsed ancestor, in order. */
export function visibleRows(tree: Tree, collapsed: ReadonlySet<string>): number[] {
  const rows: number[] = [];
  for (let row = 0; row < tree.count; ) {
    rows.push(row);
    row = collapsed.has(tree.columns.span_id[row]!) ? tree.subtreeEnd[row]! : row + 1;
  }
  return rows;
}

export function ancestors(tree: Tree, row: number): number[] {
  const up: number[] = [];
  for (let at = tree.columns.parent[row] ?? -1; at >= 0 && at < row; ) {
    up.push(at);
    const next = tree.columns.parent[at] ?? -1;
    if (next >= at) break;
    at = next;
  }
  return up;
}

/** The row itself when it is visible, else its outermost collapsed ancestor. */
export function visibleAncestor(tree: Tree, collapsed: ReadonlySet<string>, row: number): number {
  let shown = row;
  for (const up of ancestors(tree, row)) {
    if (collapsed.has(tree.columns.span_id[up]!)) shown = up;
  }
  return shown;
}

const READABLE = 200;
const TOO_FEW = 20;
const PATHS = 20;

/**
 * What to collapse when a trace opens: everything is open in one that fits about 200 rows; a
 * larger one opens to the depth that fits, and down to `wanted` and to the first failed spans.
 */
export function initialCollapsed(tree: Tree, wanted: number[]): Set<string> {
  const collapsed = new Set<string>();
  if (tree.count <= READABLE) return collapsed;
  const limit = fittingDepth(tree);
  for (let row = 0; row < tree.count; row++) {
    if (tree.columns.depth[row] === limit && hasChildren(tree, row)) {
      collapsed.add(tree.columns.span_id[row]!);
    }
  }
  for (const row of [...wanted, ...tree.errorRows.slice(0, PATHS)]) {
    for (const up of ancestors(tree, row)) collapsed.delete(tree.columns.span_id[up]!);
  }
  return collapsed;
}

function fittingDepth(tree: Tree): number {
  const perDepth: number[] = [];
  for (const depth of tree.columns.depth) perDepth[depth] = (perDepth[depth] ?? 0) + 1;
  let total = perDepth[0] ?? 0;
  let depth = 0;
  while (depth + 1 < perDepth.length) {
    const next = total + (perDepth[depth + 1] ?? 0);
    if (next > READABLE && total >= TOO_FEW) break;
    total = next;
    depth += 1;
    if (total > READABLE) break;
  }
  return depth;
}

/**
 * The spans of a blocked trace that failed because a guardrail stopped them: all outside tools.
 * Had one failed of anything else, the trace would have failed too.
 */
export function stoppedRows(tree: Tree): ReadonlySet<number> {
  const inTool = (row: number): boolean => TOOLS.has(tree.columns.type[row] ?? "");
  const outside = (row: number): boolean => !inTool(row) && !ancestors(tree, row).some(inTool);
  return new Set(tree.errorRows.filter(outside));
}

/** The next of `rows` after `from` (before it with `step` -1), around the end. */
export function nextAmong(rows: number[], from: number, step: 1 | -1): number | null {
  if (rows.length === 0) return null;
  if (step === 1) return rows.find((row) => row > from) ?? rows[0]!;
  return rows.findLast((row) => row < from) ?? rows[rows.length - 1]!;
}

/** The next model call after `from`, around the end. */
export function nextModelCall(tree: Tree, from: number, step: 1 | -1 = 1): number | null {
  for (let i = 1; i <= tree.count; i++) {
    const row = (((from + step * i) % tree.count) + tree.count) % tree.count;
    if (isModelCall(tree.columns.type[row] ?? "")) return row;
  }
  return null;
}

/** What to show first: the first cause, else the first model call, else the first row. */
export function firstChoice(tree: Tree, causeId: string | null): number {
  const cause = causeId === null ? undefined : tree.rowOf.get(causeId);
  if (cause !== undefined) return cause;
  return nextModelCall(tree, -1) ?? 0;
}

/**
 * The function span that ran the `nth` call of `name` asked for by the model call at `row`:
 * it starts after it, under the same parent.
 */
export function toolSpanOf(tree: Tree, row: number, name: string, nth: number): string | null {
  const { columns } = tree;
  const parent = columns.parent[row] ?? -1;
  const end = parent < 0 ? tree.count : tree.subtreeEnd[parent]!;
  let left = nth;
  for (let at = tree.subtreeEnd[row]!; at < end; at = tree.subtreeEnd[at]!) {
    if (isModelCall(columns.type[at] ?? "")) return null;
    if (columns.type[at] === "function" && columns.name[at] === name) {
      if (left === 0) return columns.span_id[at]!;
      left -= 1;
    }
  }
  return null;
}
