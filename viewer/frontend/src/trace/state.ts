/** What the trace page knows: the trace, its skeleton, what is folded, selected and zoomed. */

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { api, ApiError, isAbort } from "../api/client.ts";
import { noteUnreachable } from "../api/live.ts";
import type { Skeleton, TraceJson } from "../api/types.ts";
import { quarter, serverNow, setServerNow } from "../app/clock.ts";
import { adjustTrace, route } from "../app/router.ts";
import { runningEnd, type Domain } from "./axis.ts";
import {
  buildTree,
  firstChoice,
  initialCollapsed,
  stoppedRows,
  visibleAncestor,
  visibleRows,
  type Tree,
} from "./tree.ts";

const LEAST_REFRESH_MS = 300;
const NONE: ReadonlySet<number> = new Set();

export class TraceState {
  readonly trace: Signal<TraceJson | null> = signal(null);
  readonly skeleton: Signal<Skeleton | null> = signal(null);
  readonly failure: Signal<ApiError | null> = signal(null);
  readonly collapsed: Signal<ReadonlySet<string>> = signal(new Set<string>());
  /** Chosen when the page opened without `?span=`; stays when the trace grows. */
  readonly chosen: Signal<string | null> = signal(null);

  readonly tree: ReadonlySignal<Tree | null> = computed(() =>
    this.skeleton.value === null ? null : buildTree(this.skeleton.value),
  );
  readonly rows: ReadonlySignal<number[]> = computed(() =>
    this.tree.value === null ? [] : visibleRows(this.tree.value, this.collapsed.value),
  );
  readonly selectedId: ReadonlySignal<string | null> = computed(() => {
    const asked = route.value.page === "trace" ? route.value.span : null;
    if (asked !== null && this.tree.value?.rowOf.has(asked)) return asked;
    return this.chosen.value;
  });
  readonly selectedRow: ReadonlySignal<number> = computed(() => {
    const id = this.selectedId.value;
    return id === null ? -1 : (this.tree.value?.rowOf.get(id) ?? -1);
  });
  readonly running: ReadonlySignal<boolean> = computed(() => this.trace.value?.status === "running");
  /** Now, in microseconds from the trace's start, while it runs; its end afterwards. */
  readonly nowUs: ReadonlySignal<number> = computed(() => {
    const tree = this.tree.value;
    if (!this.running.value) return tree?.lastEndUs ?? 0;
    void quarter.value;
    return Math.max(tree?.lastEndUs ?? 0, serverNow() - (this.skeleton.value?.origin_us ?? 0));
  });
  readonly full: ReadonlySignal<Domain> = computed(() => {
    const { trace, skeleton, tree } = { trace: this.trace.value, skeleton: this.skeleton.value, tree: this.tree.value };
    if (this.running.value) return { from: 0, to: runningEnd(this.nowUs.value) };
    const ended = trace?.end_us && skeleton ? trace.end_us - skeleton.origin_us : 0;
    return { from: 0, to: Math.max(ended, tree?.lastEndUs ?? 0, 1) };
  });
  readonly domain: ReadonlySignal<Domain> = computed(() => {
    const zoom = route.value.page === "trace" ? route.value.zoom : null;
    const full = this.full.value;
    if (zoom === null || zoom[0] >= full.to) return full;
    return { from: zoom[0], to: Math.min(zoom[1], full.to) };
  });

  private readonly asked: string;
  private readonly controller = new AbortController();
  private timer: number | undefined;
  private loading = false;
  private again = false;
  private tookMs = 0;
  private loadedAt = 0;

  constructor(traceId: string) {
    this.asked = traceId;
  }

  /** The id the server knows; differs from the address for `last`. */
  get traceId(): string {
    return this.trace.peek()?.trace_id ?? this.asked;
  }

  /** One load at a time, so that an older answer never comes after a newer one. */
  async load(): Promise<void> {
    if (this.loading) {
      this.again = true;
      return;
    }
    this.loading = true;
    await this.read();
    this.loading = false;
    if (this.again) {
      this.again = false;
      this.refresh();
    }
  }

  /**
   * The trace before its spans: what ends in between is then seen on the spans, and the change it
   * makes to the trace is told afterwards.
   */
  private async read(): Promise<void> {
    const began = performance.now();
    try {
      const { signal: stop } = this.controller;
      const trace = await api.trace(this.asked === "last" ? this.traceId : this.asked, stop);
      if (this.asked === "last") adjustTrace({ traceId: trace.trace_id });
      const skeleton = await api.spans(trace.trace_id, stop);
      setServerNow(skeleton.now_us);
      batch(() => {
        const first = this.skeleton.peek() === null;
        this.trace.value = trace;
        this.skeleton.value = skeleton;
        this.failure.value = null;
        if (first) this.open();
        else if (this.chosen.peek() === null) this.choose();
      });
    } catch (error) {
      if (isAbort(error)) return;
      const failure = error instanceof ApiError ? error : new ApiError(String(error), -1, "");
      if (failure.unreachable) noteUnreachable();
      if (this.skeleton.peek() === null) this.failure.value = failure;
    }
    this.loadedAt = performance.now();
    this.tookMs = this.loadedAt - began;
  }

  /** Called for every change of this trace; a big skeleton is not read more often than it can be. */
  refresh(): void {
    if (this.timer !== undefined) return;
    const pause = Math.max(LEAST_REFRESH_MS, this.tookMs * 4);
    this.timer = window.setTimeout(
      () => {
        this.timer = undefined;
        void this.load();
      },
      Math.max(0, this.loadedAt + pause - performance.now()),
    );
  }

  dispose(): void {
    this.controller.abort();
    window.clearTimeout(this.timer);
  }

  private choose(): void {
    const tree = this.tree.peek();
    if (!tree || tree.count === 0) return;
    const row = firstChoice(tree, this.trace.peek()?.first_cause?.span_id ?? null);
    this.chosen.value = tree.columns.span_id[row] ?? null;
  }

  private open(): void {
    this.choose();
    const tree = this.tree.peek();
    if (!tree) return;
    const cause = tree.rowOf.get(this.trace.peek()?.first_cause?.span_id ?? "");
    const wanted = [this.selectedRow.peek(), cause ?? -1].filter((row) => row >= 0);
    this.collapsed.value = initialCollapsed(tree, wanted);
  }

  /** Selects a span and opens whatever hides it. */
  select(row: number): void {
    const tree = this.tree.peek();
    const id = tree?.columns.span_id[row];
    if (!tree || id === undefined) return;
    if (visibleAncestor(tree, this.collapsed.peek(), row) !== row) {
      const open = new Set(this.collapsed.peek());
      for (let at = tree.columns.parent[row] ?? -1; at >= 0; at = tree.columns.parent[at] ?? -1) {
        open.delete(tree.columns.span_id[at]!);
      }
      this.collapsed.value = open;
    }
    this.chosen.value = id;
    adjustTrace({ span: id });
  }

  selectId(id: string): void {
    const row = this.tree.peek()?.rowOf.get(id);
    if (row !== undefined) this.select(row);
  }

  toggle(row: number, shut?: boolean): void {
    const tree = this.tree.peek();
    const id = tree?.columns.span_id[row];
    if (!tree || id === undefined || tree.subtreeEnd[row]! <= row + 1) return;
    const next = new Set(this.collapsed.peek());
    if (shut ?? !next.has(id)) next.add(id);
    else next.delete(id);
    this.collapsed.value = next;
    const selected = this.selectedRow.peek();
    if (selected > row && selected < tree.subtreeEnd[row]! && next.has(id)) this.select(row);
  }

  toggleAll(shut: boolean): void {
    const tree = this.tree.peek();
    if (!tree) return;
    const next = new Set<string>();
    if (shut) {
      for (let row = 0; row < tree.count; row++) {
        if (tree.subtreeEnd[row]! > row + 1 && (tree.columns.depth[row] ?? 0) > 0) {
          next.add(tree.columns.span_id[row]!);
        }
      }
    }
    this.collapsed.value = next;
    const shown = visibleAncestor(tree, next, this.selectedRow.peek());
    if (shown !== this.selectedRow.peek()) this.select(shown);
  }

  zoom(domain: Domain | null): void {
    const full = this.full.peek();
    const whole = domain === null || (domain.from <= full.from && domain.to >= full.to);
    adjustTrace({ zoom: whole ? null : [Math.floor(domain.from), Math.ceil(domain.to)] });
  }

  /** The span that tripped, of a blocked trace; the skeleton itself does not say. */
  readonly trippedId: ReadonlySignal<string | null> = computed(() =>
    this.trace.value?.status === "blocked" ? (this.trace.value.first_cause?.span_id ?? null) : null,
  );

  /** Spans that failed only because a guardrail stopped them: blocked, like their trace. */
  readonly stopped: ReadonlySignal<ReadonlySet<number>> = computed(() => {
    const tree = this.tree.value;
    return tree && this.trace.value?.status === "blocked" ? stoppedRows(tree) : NONE;
  });

  /** The status a span is shown with. */
  statusOf(row: number): string {
    if (this.stopped.value.has(row)) return "blocked";
    return this.tree.value?.columns.status[row] ?? "ok";
  }

  /** Rows that `e` visits: what failed by itself, and the guardrail that tripped. */
  troubles(tree: Tree): number[] {
    const stopped = this.stopped.peek();
    const rows = tree.errorRows.filter((row) => !stopped.has(row));
    const tripped = tree.rowOf.get(this.trippedId.peek() ?? "");
    if (tripped === undefined || rows.includes(tripped)) return rows;
    return [...rows, tripped].sort((a, b) => a - b);
  }
}
