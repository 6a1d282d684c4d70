/** One trace: header, waterfall, detail panel. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { onChange } from "../api/live.ts";
import { holdQuarter } from "../app/clock.ts";
import { stacked, useDelayed } from "../app/hooks.ts";
import { Failure } from "../app/parts.tsx";
import { Shell, type Hint } from "../app/shell.tsx";
import { Splitter } from "../app/splitter.tsx";
import { recall, recallNumber, remember } from "../app/storage.ts";
import type { VirtualRows } from "../app/virtual.ts";
import { DetailPanel } from "../detail/panel.tsx";
import { Banners, Header } from "./header.tsx";
import { useTraceKeys } from "./keyboard.ts";
import { TraceState } from "./state.ts";
import { Waterfall } from "./waterfall.tsx";

const HINTS: Hint[] = [
  ["j k", "move"],
  ["h l", "fold"],
  ["e", "next error"],
  ["a", "next model call"],
  ["z", "zoom to span"],
  ["d", "raw JSON"],
  ["\\", "panel"],
  ["[ ]", "prev/next trace"],
];

export function TracePage({ traceId }: { traceId: string }) {
  const state = useMemo(() => new TraceState(traceId), [traceId]);
  useEffect(() => {
    void state.load();
    const stop = onChange((ids) => {
      if (ids === null || ids.has(state.traceId)) state.refresh();
    });
    return () => {
      stop();
      state.dispose();
    };
  }, [state]);
  const running = state.running.value;
  useEffect(() => (running ? holdQuarter() : undefined), [running]);
  const name = state.trace.value?.name;
  useEffect(() => {
    document.title = name ? `${name} · flightlog` : "Trace · flightlog";
  }, [name]);
  return (
    <Shell hints={HINTS}>
      <Content state={state} />
    </Shell>
  );
}

function Content({ state }: { state: TraceState }) {
  const failure = state.failure.value;
  const tree = state.tree.value;
  const waiting = useDelayed(tree === null && failure === null);
  const open = useSignal(recall("panel") !== "closed");
  const virtual = useRef<VirtualRows | null>(null);
  useTraceKeys({
    state,
    virtual: () => virtual.current,
    togglePanel: () => {
      open.value = !open.value;
      remember("panel", open.value ? null : "closed");
    },
  });
  if (failure) {
    const what = failure.status === 404 ? "There is no such trace" : "The trace could not be loaded";
    return (
      <div class="trace-failed">
        <Failure error={failure} what={what} retry={() => void state.load()} />
        <a href="/" class="button">
          To the traces
        </a>
      </div>
    );
  }
  if (tree === null) return waiting ? <TraceSkeleton /> : null;
  return (
    <>
      <Header state={state} />
      <Banners state={state} />
      <Split state={state} open={open.value} onReady={(rows) => (virtual.current = rows)} />
    </>
  );
}

interface SplitProps {
  state: TraceState;
  open: boolean;
  onReady: (rows: VirtualRows) => void;
}

const LEAST_PX = 240;

function Split({ state, open, onReady }: SplitProps) {
  const box = useRef<HTMLDivElement>(null);
  const share = useSignal(recallNumber("split", 0.645));
  const flat = stacked.value;
  const onMove = (position: number): void => {
    const size = flat ? box.current?.clientHeight : box.current?.clientWidth;
    if (!size) return;
    const least = Math.min(0.4, LEAST_PX / size);
    share.value = Math.max(least, Math.min(1 - least, position / size));
    remember("split", share.value.toFixed(3));
  };
  const percent = `${((flat ? Math.min(share.value, 0.5) : share.value) * 100).toFixed(2)}%`;
  return (
    <div
      ref={box}
      class={`split${flat ? " flat" : ""}${open ? "" : " closed"}`}
      style={{ "--first": open ? percent : "100%" }}
    >
      <Waterfall state={state} onReady={onReady} />
      {open && (
        <>
          <Splitter
            cls="panel-split"
            label="Size of the detail panel"
            value={share.value * ((flat ? box.current?.clientHeight : box.current?.clientWidth) ?? 0)}
            onMove={onMove}
            flat={flat}
          />
          <DetailPanel state={state} />
        </>
      )}
    </div>
  );
}

function TraceSkeleton() {
  return (
    <div class="skeleton trace-skeleton" aria-busy="true" data-testid="skeleton">
      {Array.from({ length: 12 }, (_, i) => (
        <div class="skeleton-row" key={i}>
          <i style={{ width: `${80 + ((i * 37) % 90)}px`, marginInlineStart: `${(i % 4) * 14}px` }} />
          <i style={{ width: `${120 + ((i * 97) % 360)}px`, marginInlineStart: `${(i * 23) % 160}px` }} />
        </div>
      ))}
    </div>
  );
}
