/** The list of traces. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import type { ApiError } from "../api/client.ts";
import { onChange } from "../api/live.ts";
import { focusUnlessUsed, narrow, useDelayed } from "../app/hooks.ts";
import { Icon } from "../app/icons.tsx";
import { useKeys } from "../app/keys.ts";
import { copyAndSay, Failure } from "../app/parts.tsx";
import { adjust, go, route } from "../app/router.ts";
import { Shell, type Hint } from "../app/shell.tsx";
import { listRoute, traceUrl, type ListRoute } from "../app/url.ts";
import { useVirtualRows } from "../app/virtual.ts";
import { plural } from "../format.ts";
import { EmptyStore, NoMatch } from "./empty.tsx";
import { FilterBar } from "./filter-bar.tsx";
import { TraceRow } from "./row.tsx";
import * as list from "./state.ts";

const HEAD = 28;
const HINTS: Hint[] = [
  ["j k", "move"],
  ["↵", "open"],
  ["e", "errors only"],
  ["/", "filter"],
  ["t", "pause live"],
];

const COLUMNS: [cls: string, label: string][] = [
  ["c-status", ""],
  ["c-name", "Name"],
  ["c-input", "Input"],
  ["c-output", "Output or error"],
  ["c-duration", "Duration"],
  ["c-tokens num", "Tokens in / out"],
  ["c-cost num", "Cost"],
  ["c-spans num", "Spans"],
  ["c-group", "Group"],
  ["c-started", "Started"],
];

function currentRoute(): ListRoute {
  const now = route.value;
  return now.page === "list" ? now : listRoute();
}

export function ListPage() {
  const here = currentRoute();
  useEffect(() => {
    document.title = "Traces · flightlog";
    return onChange((ids) => list.scheduleRefresh(ids));
  }, []);
  useEffect(() => list.showRoute(here), [here.status, here.q, here.group]);
  return (
    <Shell hints={HINTS}>
      <h1 class="sr-only">Traces</h1>
      <FilterBar here={here} />
      <Body here={here} />
    </Shell>
  );
}

function Body({ here }: { here: ListRoute }) {
  const skeleton = useDelayed(!list.loaded.value && list.failure.value === null);
  const failure = list.failure.value;
  if (failure?.status === 400) return <BadFilter failure={failure} />;
  if (!list.loaded.value) {
    if (failure) {
      return <Failure error={failure} what="The traces could not be loaded" retry={() => void list.load()} />;
    }
    return skeleton ? <SkeletonRows /> : <div class="table" />;
  }
  if (list.rows.value.length === 0) {
    const filtered = here.status !== "" || here.q !== "" || here.group !== "";
    return filtered ? <NoMatch here={here} /> : <EmptyStore />;
  }
  return <Table here={here} />;
}

/** The server's words name what may stand there; its hint is for programs. */
function BadFilter({ failure }: { failure: ApiError }) {
  return (
    <Failure error={failure} what="The filter cannot be followed" hint={false}>
      <button type="button" class="button" onClick={() => adjust(listRoute())}>
        Show all traces
      </button>
    </Failure>
  );
}

function Head() {
  return (
    <div class="trace-head" role="row" aria-rowindex={1}>
      {COLUMNS.map(([cls, label]) => (
        <span role="columnheader" class={cls} key={cls}>
          {label || <span class="sr-only">Status</span>}
        </span>
      ))}
    </div>
  );
}

function SkeletonRows() {
  return (
    <div class="table skeleton" aria-busy="true" data-testid="skeleton">
      <Head />
      {Array.from({ length: 14 }, (_, i) => (
        <div class="skeleton-row" key={i}>
          <i />
          <i style={{ width: `${90 + ((i * 37) % 60)}px` }} />
          <i style={{ width: `${180 + ((i * 53) % 200)}px` }} />
          <i style={{ width: `${140 + ((i * 71) % 220)}px` }} />
        </div>
      ))}
    </div>
  );
}

function Table({ here }: { here: ListRoute }) {
  const rows = list.rows.value;
  const rowHeight = narrow.value ? 46 : 26;
  const head = narrow.value ? 0 : HEAD;
  const more = useSignal(false);
  const virtual = useVirtualRows({
    count: rows.length,
    rowHeight,
    head,
    onScroll(top, bottomGap) {
      list.place.scrollTop = top;
      if (bottomGap < 30 * rowHeight) void fetchMore();
    },
  });
  const fetchMore = async (): Promise<void> => {
    if (list.cursor.peek() === null || list.moreFailure.peek() || more.peek()) return;
    more.value = true;
    await list.loadMore();
    more.value = false;
  };
  useLayoutEffect(() => {
    if (virtual.scroller.current) virtual.scroller.current.scrollTop = list.place.scrollTop;
  }, []);
  useLayoutEffect(() => {
    if (list.place.scrollTop === 0 && virtual.scroller.current) virtual.scroller.current.scrollTop = 0;
  }, [here.status, here.q, here.group]);
  useListKeys(here, virtual.show, virtual.page);
  useEffect(() => focusUnlessUsed(virtual.scroller.current), []);

  const selected = list.selectedId.value;
  return (
    <div class="table-box" onPointerOver={holdUnder} onPointerLeave={letGo}>
      <NewRows onShow={() => virtual.scroller.current?.scrollTo(0, 0)} />
      <div
        ref={virtual.scroller}
        class={list.busy.value ? "table refetching" : "table"}
        role="grid"
        aria-label="Traces"
        aria-rowcount={list.cursor.value === null ? rows.length + 1 : -1}
        aria-activedescendant={selected === null ? undefined : `row-${selected}`}
        aria-busy={list.busy.value}
        tabIndex={0}
        data-testid="trace-table"
      >
        <Head />
        <Rows rowHeight={rowHeight} range={virtual.range.value} />
        <End count={rows.length} />
      </div>
    </div>
  );
}

/** New rows are held under a mouse on the rows, or on the pill, which may appear right under it. */
function holdUnder(event: PointerEvent): void {
  const inside = event.target instanceof Element && event.target.closest(".rows, .pill-place") !== null;
  if (inside) list.place.pointerInside = event.pointerType === "mouse";
  else letGo();
}

function letGo(): void {
  list.place.pointerInside = false;
  if (list.held.peek()) list.scheduleRefresh(null);
}

function select(id: string): void {
  list.selectedId.value = id;
}

function Rows({ rowHeight, range }: { rowHeight: number; range: [number, number] }) {
  const rows = list.rows.value;
  const selected = list.selectedId.value;
  const longest = useMemo(() => rows.reduce((most, row) => Math.max(most, row.duration_ms ?? 0), 0), [rows]);
  const [first, last] = range;
  return (
    <div
      class="rows"
      role="rowgroup"
      style={{ height: `${rows.length * rowHeight}px` }}
    >
      {rows.slice(first, last).map((trace, i) => (
        <TraceRow
          key={trace.trace_id}
          trace={trace}
          index={first + i}
          selected={trace.trace_id === selected}
          longest={longest}
          rowHeight={rowHeight}
          onSelect={select}
        />
      ))}
    </div>
  );
}

function NewRows({ onShow }: { onShow: () => void }) {
  const held = list.held.value;
  return (
    <div class="pill-place" aria-live="polite">
      {held && (
        <button
          type="button"
          class="pill"
          data-testid="new-rows"
          onClick={() => {
            list.showHeld();
            onShow();
          }}
        >
          <Icon name="up" />
          {held.more ? `${held.count}+` : held.count} new – show
        </button>
      )}
    </div>
  );
}

function End({ count }: { count: number }) {
  const failure = list.moreFailure.value;
  if (failure) {
    const retry = (): void => {
      list.moreFailure.value = null;
      void list.loadMore();
    };
    return <Failure error={failure} what="The next rows could not be loaded" retry={retry} />;
  }
  if (list.cursor.value !== null) return <div class="end muted">loading more…</div>;
  return <div class="end muted">{plural(count, "trace")}</div>;
}

function useListKeys(
  here: ListRoute,
  show: (row: number) => void,
  page: () => number,
): void {
  const at = useComputed(() =>
    list.rows.value.findIndex((row) => row.trace_id === list.selectedId.value),
  );
  const choose = (index: number): void => {
    const rows = list.rows.peek();
    const row = Math.max(0, Math.min(rows.length - 1, index));
    list.selectedId.value = rows[row]?.trace_id ?? null;
    show(row);
    if (row >= rows.length - 5) void list.loadMore();
  };
  const move = (by: number) => () => choose(at.value < 0 ? (by > 0 ? 0 : 0) : at.value + by);
  const open = (): void => {
    const id = list.selectedId.peek();
    if (id) go({ page: "trace", traceId: id, span: null, tab: null, zoom: null });
  };
  useKeys({
    j: move(1),
    k: move(-1),
    ArrowDown: move(1),
    ArrowUp: move(-1),
    PageDown: () => choose(at.value + page()),
    PageUp: () => choose(at.value - page()),
    Home: () => choose(0),
    End: () => choose(list.rows.peek().length - 1),
    Enter: open,
    o: () => {
      const id = list.selectedId.peek();
      if (id) window.open(traceUrl(id), "_blank", "noopener");
    },
    e: () => adjust({ ...here, status: here.status === "error" ? "" : "error" }),
    y: () => {
      const id = list.selectedId.peek();
      void copyAndSay(id ? location.origin + traceUrl(id) : location.href, "Link");
    },
    r: () => void list.load(),
    Escape: () => {
      if (list.selectedId.peek()) list.selectedId.value = null;
      else adjust(listRoute());
    },
  });
}
