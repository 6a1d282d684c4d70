/** Folds a fresh first page into the rows on screen without moving what is read. Pure. */

import type { TraceJson, TracePage } from "../api/types.ts";

export interface Merged {
  rows: TraceJson[];
  /** New traces that belong above or between the rows and were not put in. */
  held: TraceJson[];
  /** More came than one page holds: the rows have to be loaded afresh. */
  gap: boolean;
}

/** Newest start first, ties by id, as the server sorts. */
export function byStart(a: TraceJson, b: TraceJson): number {
  return b.start_us - a.start_us || (a.trace_id < b.trace_id ? 1 : a.trace_id > b.trace_id ? -1 : 0);
}

/**
 * Known traces are replaced where they stand. New ones are put in their place, or handed back in
 * `held` when `hold` is set because the reader is not at the top or points at a row.
 */
export function mergeHead(rows: TraceJson[], head: TracePage, hold: boolean): Merged {
  const fresh = new Map(head.traces.map((trace) => [trace.trace_id, trace]));
  let overlap = false;
  const merged = rows.map((row) => {
    const next = fresh.get(row.trace_id);
    if (next === undefined) return row;
    overlap = true;
    fresh.delete(row.trace_id);
    return next;
  });
  const added = [...fresh.values()];
  const gap = rows.length > 0 && !overlap && head.next_cursor !== null;
  if (hold || gap) return { rows: merged, held: added.sort(byStart), gap };
  return { rows: added.length ? [...merged, ...added].sort(byStart) : merged, held: [], gap };
}

/** A further page, without what a live update already brought. */
export function appendPage(rows: TraceJson[], page: TraceJson[]): TraceJson[] {
  const known = new Set(rows.map((row) => row.trace_id));
  return [...rows, ...page.filter((trace) => !known.has(trace.trace_id))];
}

/** Replaces traces that are already there. */
export function patch(rows: TraceJson[], changed: TraceJson[]): TraceJson[] {
  const byId = new Map(changed.map((trace) => [trace.trace_id, trace]));
  return rows.map((row) => byId.get(row.trace_id) ?? row);
}

/** How much of its cell a duration's bar fills: twice as long is twice as wide. */
export function durationShare(ms: number, longest: number): number {
  if (ms <= 0 || longest <= 0) return 0;
  return Math.min(1, ms / longest);
}
