/** The trace page's shortcuts. */

import { useRef } from "preact/hooks";
import { useKeys } from "../app/keys.ts";
import { copyAndSay, say } from "../app/parts.tsx";
import { adjustTrace, back, go } from "../app/router.ts";
import { listRoute, traceUrl } from "../app/url.ts";
import type { VirtualRows } from "../app/virtual.ts";
import { payload } from "../detail/payload.ts";
import { neighbour } from "../list/state.ts";
import { zoomAt } from "./axis.ts";
import type { TraceState } from "./state.ts";
import { hasChildren, nextAmong, nextModelCall } from "./tree.ts";
import { zoomToRow } from "./waterfall.tsx";

interface Options {
  state: TraceState;
  virtual: () => VirtualRows | null;
  togglePanel: () => void;
}

/** Selecting by place among the visible rows. */
function byPlace(state: TraceState, place: number): void {
  const rows = state.rows.peek();
  const row = rows[Math.max(0, Math.min(rows.length - 1, place))];
  if (row !== undefined) state.select(row);
}

function move(state: TraceState, by: number): void {
  byPlace(state, state.rows.peek().indexOf(state.selectedRow.peek()) + by);
}

/** h: close the row, or go to its parent when there is nothing to close. */
function shutOrParent(state: TraceState): void {
  const tree = state.tree.peek();
  const row = state.selectedRow.peek();
  if (!tree || row < 0) return;
  const id = tree.columns.span_id[row]!;
  if (hasChildren(tree, row) && !state.collapsed.peek().has(id)) state.toggle(row, true);
  else if ((tree.columns.parent[row] ?? -1) >= 0) state.select(tree.columns.parent[row]!);
}

/** l: open the row, or go to its first child when it is open. */
function openOrChild(state: TraceState): void {
  const tree = state.tree.peek();
  const row = state.selectedRow.peek();
  if (!tree || row < 0 || !hasChildren(tree, row)) return;
  if (state.collapsed.peek().has(tree.columns.span_id[row]!)) state.toggle(row, false);
  else state.select(row + 1);
}

function toError(state: TraceState, step: 1 | -1): void {
  const tree = state.tree.peek();
  if (!tree) return;
  const row = nextAmong(state.troubles(tree), state.selectedRow.peek(), step);
  if (row !== null) state.select(row);
  else say("No errors in this trace");
}

function toModelCall(state: TraceState, step: 1 | -1): void {
  const tree = state.tree.peek();
  const row = tree ? nextModelCall(tree, state.selectedRow.peek(), step) : null;
  if (row === null) say("No model calls in this trace");
  else state.select(row);
}

async function toTrace(state: TraceState, step: 1 | -1): Promise<void> {
  const id = await neighbour(state.traceId, step);
  if (id) go({ page: "trace", traceId: id, span: null, tab: null, zoom: null });
  else say(step === 1 ? "No older trace in the list" : "No newer trace in the list");
}

function zoomBy(state: TraceState, factor: number): void {
  const { from, to } = state.domain.peek();
  state.zoom(zoomAt({ from, to }, (from + to) / 2, factor, state.full.peek().to));
}

function copyLink(state: TraceState): void {
  const url = location.origin + traceUrl(state.traceId, state.selectedId.peek());
  void copyAndSay(url, "Link");
}

function copySpan(): void {
  const span = payload.peek();
  if (span) void copyAndSay(JSON.stringify(span, null, 2), "Span JSON");
}

export function useTraceKeys({ state, virtual, togglePanel }: Options): void {
  const tabBefore = useRef<string | null>(null);
  const page = (): number => virtual()?.page() ?? 20;
  useKeys({
    j: () => move(state, 1),
    k: () => move(state, -1),
    ArrowDown: () => move(state, 1),
    ArrowUp: () => move(state, -1),
    PageDown: () => move(state, page()),
    PageUp: () => move(state, -page()),
    Home: () => byPlace(state, 0),
    End: () => byPlace(state, Number.MAX_SAFE_INTEGER),
    h: () => shutOrParent(state),
    l: () => openOrChild(state),
    ArrowLeft: () => shutOrParent(state),
    ArrowRight: () => openOrChild(state),
    H: () => state.toggleAll(true),
    L: () => state.toggleAll(false),
    e: () => toError(state, 1),
    E: () => toError(state, -1),
    a: () => toModelCall(state, 1),
    n: () => toModelCall(state, 1),
    N: () => toModelCall(state, -1),
    "[": () => void toTrace(state, -1),
    "]": () => void toTrace(state, 1),
    z: () => {
      const tree = state.tree.peek();
      if (tree && state.selectedRow.peek() >= 0) zoomToRow(state, tree, state.selectedRow.peek());
    },
    "0": () => state.zoom(null),
    "+": () => zoomBy(state, 0.5),
    "=": () => zoomBy(state, 0.5),
    "-": () => zoomBy(state, 2),
    d: () => adjustTrace({ tab: rawToggle(tabBefore) }),
    y: () => copyLink(state),
    Y: copySpan,
    "\\": togglePanel,
    Escape: () => {
      if (state.domain.peek() !== state.full.peek()) state.zoom(null);
      else back(listRoute());
    },
  });
}

/** d goes to the raw JSON and back to the tab it came from. */
function rawToggle(before: { current: string | null }): string | null {
  const tab = new URLSearchParams(location.search).get("tab");
  if (tab === "raw") return before.current;
  before.current = tab;
  return "raw";
}
