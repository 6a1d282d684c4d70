/** The tree and the bars: virtual rows over one time axis. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { focusUnlessUsed, narrow, useWidth } from "../app/hooks.ts";
import { recallNumber, remember } from "../app/storage.ts";
import { useVirtualRows, type VirtualRows } from "../app/virtual.ts";
import { duration } from "../format.ts";
import { Splitter } from "../app/splitter.tsx";
import { around, zoomAt } from "./axis.ts";
import { Ruler, tickPlaces } from "./ruler.tsx";
import { SpanRow } from "./span-row.tsx";
import type { TraceState } from "./state.ts";
import type { Tree } from "./tree.ts";

const HEAD = 28;
const GUTTER = 54;
/** Wide enough for a model's name, its tokens and its cost. */
const TREE = 380;
const WITH_COST = 350;
const LEAST_TREE = 120;
const LEAST_TIME = 120;

interface Props {
  state: TraceState;
  onReady: (rows: VirtualRows) => void;
}

export function Waterfall({ state, onReady }: Props) {
  const rows = state.rows.value;
  const rowHeight = narrow.value ? 34 : 26;
  const virtual = useVirtualRows({ count: rows.length, rowHeight, head: HEAD });
  const wanted = useSignal(recallNumber("tree", TREE));
  const width = useWidth(virtual.scroller);
  const share = width < 640 && !narrow.value ? 0.5 : 0.58;
  const treeWidth = Math.max(LEAST_TREE, Math.min(wanted.value, width * share, width - LEAST_TIME));
  const timeWidth = Math.max(0, width - treeWidth);
  useEffect(() => {
    onReady(virtual);
    focusUnlessUsed(virtual.scroller.current);
  }, []);

  const selectedRow = state.selectedRow.value;
  useLayoutEffect(() => {
    const at = rows.indexOf(selectedRow);
    if (at >= 0) virtual.show(at, true);
  }, [selectedRow]);

  const tree = state.tree.value;
  const selected = state.selectedId.value;
  if (!tree) return null;
  return (
    <div class={treeWidth < WITH_COST ? "waterfall-box no-usd" : "waterfall-box"} style={{ "--tree": `${treeWidth}px` }}>
      <Splitter
        cls="tree-split"
        label="Width of the tree"
        value={treeWidth}
        onMove={(x) => {
          wanted.value = Math.max(LEAST_TREE, Math.min(x, width - LEAST_TIME));
          remember("tree", String(Math.round(wanted.value)));
        }}
      />
      <div
        ref={virtual.scroller}
        class="waterfall"
        role="treegrid"
        aria-label="Spans"
        aria-rowcount={rows.length + 1}
        aria-activedescendant={selected === null ? undefined : `span-${selected}`}
        tabIndex={0}
        data-testid="waterfall"
        onClick={(event) => onClick(event, state)}
        onDblClick={(event) => onDouble(event, state, tree)}
        onWheel={(event) => onWheel(event, state, treeWidth, timeWidth - GUTTER)}
      >
        <Head state={state} width={timeWidth} />
        <Plot state={state} width={timeWidth} rowsHeight={rows.length * rowHeight}>
          <Rows
            state={state}
            tree={tree}
            rows={rows}
            range={virtual.range.value}
            rowHeight={rowHeight}
            width={timeWidth}
          />
        </Plot>
      </div>
    </div>
  );
}

function Head({ state, width }: { state: TraceState; width: number }) {
  return (
    <div class="waterfall-head" role="row" aria-rowindex={1}>
      <span role="columnheader" class="head-name">
        Span
      </span>
      <div role="columnheader" aria-label="Time">
        <Ruler state={state} width={width} gutter={GUTTER} />
      </div>
    </div>
  );
}

interface RowsProps {
  state: TraceState;
  tree: Tree;
  rows: number[];
  range: [number, number];
  rowHeight: number;
  width: number;
}

function Rows({ state, tree, rows, range, rowHeight, width }: RowsProps) {
  const domain = state.domain.value;
  const collapsed = state.collapsed.value;
  const selectedRow = state.selectedRow.value;
  const tripped = state.trippedId.value;
  const stopped = state.stopped.value;
  const { columns } = tree;
  return (
    <>
      {rows.slice(range[0], range[1]).map((row, i) => {
        const id = columns.span_id[row]!;
        const growing = columns.dur_us[row] === null && columns.status[row] === "running";
        return (
          <SpanRow
            key={id}
            tree={tree}
            row={row}
            index={range[0] + i}
            rowHeight={rowHeight}
            selected={row === selectedRow}
            shut={collapsed.has(id)}
            tripped={id === tripped}
            stopped={stopped.has(row)}
            from={domain.from}
            to={domain.to}
            nowUs={growing ? state.nowUs.value : 0}
            width={width}
            gutter={GUTTER}
          />
        );
      })}
    </>
  );
}

interface PlotProps {
  state: TraceState;
  width: number;
  rowsHeight: number;
  children: ComponentChildren;
}

/** Grid lines behind the bars and the needle over them; the needle moves without drawing rows. */
function Plot({ state, width, rowsHeight, children }: PlotProps) {
  const needle = useRef<HTMLDivElement>(null);
  const domain = state.domain.value;
  const plot = Math.max(1, width - GUTTER);
  const onMove = (event: PointerEvent): void => {
    const line = needle.current;
    const box = line?.parentElement;
    if (!line || !box || event.pointerType !== "mouse") return;
    const x = event.clientX - box.getBoundingClientRect().left;
    const shown = x >= 0 && x <= plot;
    line.style.display = shown ? "block" : "none";
    if (!shown) return;
    line.style.transform = `translateX(${x}px)`;
    const at = domain.from + (x / plot) * (domain.to - domain.from);
    line.dataset.at = duration(at / 1000);
    line.classList.toggle("flip", x > plot - 60);
  };
  const onLeave = (): void => {
    if (needle.current) needle.current.style.display = "none";
  };
  return (
    <div
      class="rows"
      role="rowgroup"
      style={{ height: `${rowsHeight}px` }}
      onPointerMove={onMove}
      onPointerLeave={onLeave}
    >
      <div class="plot" aria-hidden="true">
        {tickPlaces(domain, plot).map((tick) => (
          <i class="gridline" key={tick.label} style={{ left: `${tick.x.toFixed(1)}px` }} />
        ))}
        <div class="needle" ref={needle} />
      </div>
      {children}
    </div>
  );
}

function rowOf(event: Event): number | null {
  const element = (event.target as Element).closest<HTMLElement>("[data-row]");
  return element ? Number(element.dataset.row) : null;
}

function onClick(event: MouseEvent, state: TraceState): void {
  const row = rowOf(event);
  if (row === null) return;
  if ((event.target as Element).closest("[data-twist]")) state.toggle(row);
  else state.select(row);
}

function onDouble(event: MouseEvent, state: TraceState, tree: Tree): void {
  const row = rowOf(event);
  if (row === null || (event.target as Element).closest("[data-twist]")) return;
  if ((event.target as Element).closest(".time-cell")) {
    zoomToRow(state, tree, row);
  } else state.toggle(row);
}

export function zoomToRow(state: TraceState, tree: Tree, row: number): void {
  const start = tree.columns.start_us[row] ?? 0;
  const end = start + (tree.columns.dur_us[row] ?? state.nowUs.peek() - start);
  state.zoom(around(start, end, state.full.peek().to));
}

function onWheel(event: WheelEvent, state: TraceState, treeWidth: number, plot: number): void {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const box = (event.currentTarget as Element).getBoundingClientRect();
  const share = Math.max(0, Math.min(1, (event.clientX - box.left - treeWidth) / Math.max(1, plot)));
  const domain = state.domain.peek();
  const at = domain.from + share * (domain.to - domain.from);
  state.zoom(zoomAt(domain, at, event.deltaY > 0 ? 1.25 : 0.8, state.full.peek().to));
}
