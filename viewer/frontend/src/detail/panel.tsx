/** The selected span: a head, its tabs, and the tab shown. */

import { useEffect, useRef } from "preact/hooks";
import { StatusIcon, Icon } from "../app/icons.tsx";
import { useDelayed } from "../app/hooks.ts";
import { Failure } from "../app/parts.tsx";
import { adjustTrace, route } from "../app/router.ts";
import { kindOf } from "../family.ts";
import { dollars, duration } from "../format.ts";
import type { SpanJson } from "../api/types.ts";
import type { TraceState } from "../trace/state.ts";
import { CallTab } from "./call.tsx";
import { ConfigTab } from "./config.tsx";
import { ConversationTab } from "./conversation.tsx";
import { ErrorTab } from "./failure.tsx";
import { OverviewTab } from "./overview.tsx";
import { clearPayload, payload, payloadBusy, payloadFailure, showSpan } from "./payload.ts";
import { shownTab, tabsOf, type Tab } from "./tabs.ts";
import { UsageTab } from "./usage.tsx";
import { RawTab, ValueTab } from "./value.tsx";

export function DetailPanel({ state }: { state: TraceState }) {
  const id = state.selectedId.value;
  const row = state.selectedRow.value;
  const tree = state.tree.value;
  // A running span's payload is read again when its row says that it ended.
  const status = row >= 0 ? tree?.columns.status[row] : undefined;
  const traceId = state.trace.value?.trace_id ?? null;
  useEffect(() => {
    if (id !== null && traceId !== null) showSpan(traceId, id);
  }, [id, status, traceId]);
  useEffect(() => clearPayload, []);

  const span = payload.value;
  const failure = payloadFailure.value;
  const stale = useDelayed(payloadBusy.value);
  const retry = (): void => {
    if (id !== null && traceId !== null) showSpan(traceId, id);
  };
  return (
    <aside class="panel" aria-label="Span details" data-testid="detail-panel" data-span-id={id ?? ""}>
      {tree && row >= 0 && <PanelHead state={state} row={row} />}
      {failure && <Failure error={failure} what="The span could not be loaded" retry={retry} />}
      {!failure && span && <Tabs span={span} state={state} stale={stale} />}
      {!failure && !span && stale && <PanelSkeleton />}
      {tree?.count === 0 && <p class="panel-empty muted">No span has been recorded yet.</p>}
    </aside>
  );
}

function PanelHead({ state, row }: { state: TraceState; row: number }) {
  const columns = state.tree.value!.columns;
  const kind = kindOf(columns.type[row] ?? "");
  const status = state.statusOf(row);
  const dur = columns.dur_us[row] ?? null;
  const cost = columns.cost_usd[row] ?? null;
  const start = columns.start_us[row] ?? 0;
  const tripped = columns.span_id[row] === state.trippedId.value;
  const took = dur === null ? (status === "running" ? "running" : "no end") : duration(dur / 1000);
  return (
    <header class="panel-head">
      <Icon name={kind.icon} cls={tripped ? "f-tripped" : `f-${kind.family}`} />
      <h2 title={columns.name[row] ?? ""}>{columns.name[row] || kind.label}</h2>
      <span class="fact">{kind.label}</span>
      {cost !== null && (
        <span class="fact cost" title={`cost $${cost}`} data-testid="cost">
          {dollars(cost)}
        </span>
      )}
      {status !== "ok" && (
        <span class={`state s-${status}`}>
          <StatusIcon status={status} />
          {status}
        </span>
      )}
      {tripped && (
        <span class="state s-blocked">
          <StatusIcon status="blocked" />
          tripped
        </span>
      )}
      <span class="when" title="duration · offset from the trace's start">
        {took} · +{duration(start / 1000)}
      </span>
    </header>
  );
}

interface TabsProps {
  span: SpanJson;
  state: TraceState;
  stale: boolean;
}

function Tabs({ span, state, stale }: TabsProps) {
  const tabs = tabsOf(span);
  const asked = route.value.page === "trace" ? route.value.tab : null;
  const shown = shownTab(tabs, asked);
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => body.current?.scrollTo(0, 0), [span.span_id, shown]);
  return (
    <>
      <TabBar tabs={tabs} shown={shown} />
      <div
        ref={body}
        class={stale ? "panel-body refetching" : "panel-body"}
        role="tabpanel"
        id="panel-body"
        aria-labelledby={`tab-${shown}`}
        tabIndex={0}
        data-own-arrows
        data-testid="panel-body"
        data-shown={span.span_id}
        key={span.span_id}
      >
        <TabContent id={shown} span={span} state={state} />
      </div>
    </>
  );
}

function TabBar({ tabs, shown }: { tabs: Tab[]; shown: string }) {
  const bar = useRef<HTMLDivElement>(null);
  const pick = (tab: Tab): void => adjustTrace({ tab: tab.id === tabs[0]?.id ? null : tab.id });
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const at = tabs.findIndex((tab) => tab.id === shown);
    const next = tabs[(at + by + tabs.length) % tabs.length]!;
    pick(next);
    bar.current?.querySelector<HTMLElement>(`#tab-${next.id}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" ref={bar} onKeyDown={onKeyDown} data-own-arrows>
      {tabs.map((tab) => (
        <button
          type="button"
          role="tab"
          key={tab.id}
          id={`tab-${tab.id}`}
          class={tab.id === "error" ? "tab-error" : undefined}
          aria-selected={tab.id === shown}
          aria-controls="panel-body"
          tabIndex={tab.id === shown ? 0 : -1}
          data-testid={`tab-${tab.id}`}
          onClick={() => pick(tab)}
        >
          {tab.label}
        </button>
      ))}
    </div>
  );
}

function TabContent({ id, span, state }: { id: string; span: SpanJson; state: TraceState }) {
  switch (id) {
    case "conversation":
      return <ConversationTab span={span} state={state} />;
    case "call":
      return <CallTab span={span} />;
    case "input":
      return <ValueTab value={span.input} none="No input was recorded." />;
    case "output":
      return <ValueTab value={span.output} none={noOutput(span)} />;
    case "usage":
      return <UsageTab span={span} />;
    case "error":
      return <ErrorTab span={span} />;
    case "config":
      return <ConfigTab span={span} />;
    case "raw":
      return <RawTab span={span} />;
    default:
      return <OverviewTab span={span} state={state} />;
  }
}

export function noOutput(span: SpanJson): string {
  if (span.status === "running") return "Still running: the output comes with its end.";
  if (span.status === "cancelled") return "Cancelled before it had an output.";
  if (span.status === "interrupted") return "Its process ended before it had an output.";
  return "No output was recorded.";
}

function PanelSkeleton() {
  return (
    <div class="skeleton panel-skeleton" aria-busy="true">
      <i />
      <i />
      <i />
    </div>
  );
}

