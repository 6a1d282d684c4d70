/** The list's data: kept while a trace is open, so that going back is instant and in place. */

import { batch, signal } from "@preact/signals";
import { api, ApiError, isAbort, type TraceQuery } from "../api/client.ts";
import { noteUnreachable } from "../api/live.ts";
import type { TraceJson } from "../api/types.ts";
import type { ListRoute } from "../app/url.ts";
import { appendPage, mergeHead, patch } from "./merge.ts";
import { countLabel } from "./presets.ts";

const PAGE = 100;
const REFRESH_MS = 400;
const COUNTS_MS = 2000;
/** Changed traces that are not on the first page are read one by one, this many at most. */
const SINGLES = 12;

export const rows = signal<TraceJson[]>([]);
export const loaded = signal(false);
export const busy = signal(false);
export const failure = signal<ApiError | null>(null);
export const moreFailure = signal<ApiError | null>(null);
export const cursor = signal<string | null>(null);
export const selectedId = signal<string | null>(null);
export const held = signal<{ count: number; more: boolean } | null>(null);
export const counts = signal<Record<string, string>>({});

export const place = { scrollTop: 0, pointerInside: false };

let query: TraceQuery = { status: "", q: "", group: "" };
let key = "";
let inFlight: AbortController | null = null;
let refreshTimer: number | undefined;
let refreshedAt = Number.NEGATIVE_INFINITY;
let refreshing = false;
let refreshAgain = false;
let countedAt = Number.NEGATIVE_INFINITY;
let countsTimer: number | undefined;
const changedIds = new Set<string>();

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) {
    if (error.unreachable) noteUnreachable();
    return error;
  }
  return new ApiError(String(error), -1, "");
}

/** Shows what a route asks for; nothing is loaded again when it is already there. */
export function showRoute(route: ListRoute): void {
  const next = JSON.stringify([route.status, route.q, route.group]);
  if (next === key && loaded.peek()) {
    scheduleRefresh(null);
    return;
  }
  key = next;
  query = { status: route.status, q: route.q, group: route.group };
  place.scrollTop = 0;
  void load();
}

export async function load(): Promise<void> {
  inFlight?.abort();
  const controller = new AbortController();
  inFlight = controller;
  busy.value = true;
  try {
    const page = await api.traces({ ...query, limit: PAGE }, controller.signal);
    batch(() => {
      rows.value = page.traces;
      cursor.value = page.next_cursor;
      held.value = null;
      failure.value = null;
      moreFailure.value = null;
      loaded.value = true;
      busy.value = false;
      const known = page.traces.some((trace) => trace.trace_id === selectedId.peek());
      if (!known) selectedId.value = null;
    });
  } catch (error) {
    if (isAbort(error)) return;
    failure.value = asApiError(error);
    busy.value = false;
  }
  void refreshCounts();
}

let loadingMore = false;

export async function loadMore(): Promise<void> {
  const from = cursor.peek();
  if (from === null || loadingMore) return;
  const asked = key;
  loadingMore = true;
  try {
    const page = await api.traces({ ...query, limit: PAGE, cursor: from });
    if (asked !== key) return;
    batch(() => {
      rows.value = appendPage(rows.peek(), page.traces);
      cursor.value = page.next_cursor;
      moreFailure.value = null;
    });
  } catch (error) {
    if (asked === key) moreFailure.value = asApiError(error);
  } finally {
    loadingMore = false;
  }
}

/** Coalesces changes; null means that anything may have changed. */
export function scheduleRefresh(ids: ReadonlySet<string> | null): void {
  for (const id of ids ?? []) changedIds.add(id);
  if (refreshTimer !== undefined) return;
  const wait = Math.max(0, refreshedAt + REFRESH_MS - performance.now());
  refreshTimer = window.setTimeout(() => {
    refreshTimer = undefined;
    void refresh();
  }, wait);
}

/** One refresh at a time, so that an older answer never comes after a newer one. */
async function refresh(): Promise<void> {
  if (busy.peek()) return;
  if (!loaded.peek()) return load();
  if (refreshing) {
    refreshAgain = true;
    return;
  }
  refreshing = true;
  await readHead();
  refreshing = false;
  if (refreshAgain) {
    refreshAgain = false;
    scheduleRefresh(null);
  }
}

async function readHead(): Promise<void> {
  refreshedAt = performance.now();
  const asked = key;
  const changed = [...changedIds];
  changedIds.clear();
  try {
    const head = await api.traces({ ...query, limit: PAGE });
    const onHead = new Set(head.traces.map((trace) => trace.trace_id));
    const deeper = rows.peek().filter((r) => changed.includes(r.trace_id) && !onHead.has(r.trace_id));
    const singles = await Promise.all(deeper.slice(0, SINGLES).map((r) => api.trace(r.trace_id)));
    if (asked !== key || busy.peek()) return;
    const hold = place.scrollTop > 4 || place.pointerInside;
    const merged = mergeHead(rows.peek(), head, hold);
    batch(() => {
      failure.value = null;
      if (merged.gap && !hold) {
        rows.value = head.traces;
        cursor.value = head.next_cursor;
      } else {
        rows.value = patch(merged.rows, singles);
      }
      const waiting = merged.held.length;
      held.value = hold && waiting > 0 ? { count: waiting, more: merged.gap } : null;
    });
  } catch (error) {
    // The rows on screen stay; the bar at the top tells an outage.
    asApiError(error);
  }
  void refreshCounts();
}

/** Lets the held rows in; the caller scrolls to the top. */
export function showHeld(): void {
  place.scrollTop = 0;
  place.pointerInside = false;
  held.value = null;
  void load();
}

async function refreshCounts(): Promise<void> {
  if (countsTimer !== undefined) return;
  const wait = countedAt + COUNTS_MS - performance.now();
  if (wait > 0) {
    countsTimer = window.setTimeout(() => {
      countsTimer = undefined;
      void refreshCounts();
    }, wait);
    return;
  }
  countedAt = performance.now();
  const asked = { q: query.q, group: query.group };
  try {
    const [errors, running, blocked] = await Promise.all(
      ["error", "running", "blocked"].map((status) => api.traces({ ...asked, status, limit: PAGE })),
    );
    if (!errors || !running || !blocked) return;
    counts.value = {
      errors: countLabel(errors.traces.length, errors.next_cursor !== null),
      running: countLabel(running.traces.length, running.next_cursor !== null),
      blocked: countLabel(blocked.traces.length, blocked.next_cursor !== null),
    };
  } catch {
    // Counts are a convenience; the last ones stay.
  }
}

/** The trace after (1) or before (-1) `traceId` in the list, loading the list when it is not there. */
export async function neighbour(traceId: string, step: 1 | -1): Promise<string | null> {
  if (!loaded.peek()) await load();
  const at = rows.peek().findIndex((row) => row.trace_id === traceId);
  if (at < 0) return null;
  if (step === 1 && at === rows.peek().length - 1) await loadMore();
  return rows.peek()[at + step]?.trace_id ?? null;
}
