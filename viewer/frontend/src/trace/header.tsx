/** The trace's facts on one line, and what went wrong with it below. */

import { StatusIcon, Icon } from "../app/icons.tsx";
import { CopyButton } from "../app/parts.tsx";
import type { TraceJson } from "../api/types.ts";
import { absolute, count, dollars, duration, elapsed, exact, oneLine, plural, shortId } from "../format.ts";
import { costNote, lastSign, lossText, lostHere } from "./facts.ts";
import type { TraceState } from "./state.ts";

const METADATA_SHOWN = 4;

export function Header({ state }: { state: TraceState }) {
  const trace = state.trace.value;
  if (!trace) return <header class="trace-header" />;
  const metadata = Object.entries(trace.metadata);
  return (
    <header class="trace-header" data-testid="trace-header">
      <h1 title={trace.name}>{trace.name}</h1>
      <span class={`state s-${trace.status}`} data-testid="status" data-status={trace.status}>
        <StatusIcon status={trace.status} />
        {trace.status}
      </span>
      <div class="facts">
        <span class="fact" title={`started ${absolute(trace.start_us)}`}>
          <Elapsed state={state} trace={trace} />
        </span>
        <span class="fact">{plural(trace.span_count, "span")}</span>
        <Tokens trace={trace} />
        <Cost trace={trace} />
        {trace.models.map((model) => (
          <span class="fact" key={model}>
            {model}
          </span>
        ))}
        {trace.group_id && (
          <span class="fact">
            group <a href={`/?group=${encodeURIComponent(trace.group_id)}`}>{trace.group_id}</a>
          </span>
        )}
        {trace.handled_errors > 0 && (
          <span class="fact handled">{plural(trace.handled_errors, "handled error")}</span>
        )}
        {metadata.slice(0, METADATA_SHOWN).map(([key, value]) => (
          <span class="fact meta" key={key} title={`${key}: ${plain(value)}`}>
            <span class="muted">{key}</span> {plain(value)}
          </span>
        ))}
        {metadata.length > METADATA_SHOWN && (
          <span class="fact" title={metadata.map(([key, value]) => `${key}: ${plain(value)}`).join("\n")}>
            +{metadata.length - METADATA_SHOWN}
          </span>
        )}
      </div>
      <span class="trace-id" title={trace.trace_id}>
        <code>{shortId(trace.trace_id)}</code>
        <CopyButton text={trace.trace_id} label="Copy the trace id" />
      </span>
    </header>
  );
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Elapsed({ state, trace }: { state: TraceState; trace: TraceJson }) {
  if (trace.status !== "running") return <>{trace.duration_ms === null ? "no end" : duration(trace.duration_ms)}</>;
  return <>{elapsed(state.nowUs.value / 1000)}</>;
}

function Tokens({ trace }: { trace: TraceJson }) {
  if (trace.input_tokens === null && trace.output_tokens === null) return null;
  const parts = [
    `input ${exact(trace.input_tokens ?? 0)}`,
    `output ${exact(trace.output_tokens ?? 0)}`,
    ...(trace.cached_tokens === null ? [] : [`cached ${exact(trace.cached_tokens)}`]),
    ...(trace.reasoning_tokens === null ? [] : [`reasoning ${exact(trace.reasoning_tokens)}`]),
  ];
  return (
    <span class="fact tokens" title={`Tokens\n${parts.join("\n")}`}>
      <Icon name="up" />
      {count(trace.input_tokens)} <Icon name="down" />
      {count(trace.output_tokens)} tok
    </span>
  );
}

/** Empty where no call has a price: a cost that is not known is not zero. */
function Cost({ trace }: { trace: TraceJson }) {
  if (trace.cost_usd === null) {
    // Where usage was reported, a reader would look for the cost.
    if (trace.unpriced_calls === 0 || trace.input_tokens === null) return null;
    return (
      <span class="fact muted" title={costNote(trace)} data-testid="cost">
        no price
      </span>
    );
  }
  return (
    <span class="fact" title={costNote(trace)} data-testid="cost">
      {dollars(trace.cost_usd, trace.unpriced_calls > 0)}
    </span>
  );
}

/** What has to be known of a trace before its spans are read: why it has no end, what is missing. */
export function Banners({ state }: { state: TraceState }) {
  const trace = state.trace.value;
  if (!trace) return null;
  return (
    <>
      <Verdict state={state} trace={trace} />
      {trace.status === "interrupted" && <Interrupted trace={trace} />}
      {trace.incomplete && <Incomplete trace={trace} />}
    </>
  );
}

function Interrupted({ trace }: { trace: TraceJson }) {
  const sign = lastSign(trace);
  return (
    <div class="bar warned wraps" role="status" data-testid="banner">
      <StatusIcon status="interrupted" />
      <strong>Interrupted.</strong>
      <span>The process ended, or was killed, without ending this trace.</span>
      {sign && <span class="muted">Last sign of life: {sign}</span>}
    </div>
  );
}

function Incomplete({ trace }: { trace: TraceJson }) {
  return (
    <div class="bar warned wraps" role="status" data-testid="incomplete">
      <Icon name="interrupted" />
      <strong>{lostHere(trace) ? "Incomplete." : "Not all delivered."}</strong>
      <span>
        {lostHere(trace) ? "Part of this trace was lost" : "Part of this trace did not reach its destination"}
        : {lossText(trace)}
      </span>
    </div>
  );
}

/** Names the first cause; its link selects the span. */
function Verdict({ state, trace }: { state: TraceState; trace: TraceJson }) {
  if (trace.status !== "error" && trace.status !== "blocked") return null;
  const cause = trace.first_cause;
  const blocked = trace.status === "blocked";
  const what = blocked ? "Blocked by a guardrail." : "Failed.";
  const go = (event: MouseEvent): void => {
    event.preventDefault();
    if (cause?.span_id) state.selectId(cause.span_id);
  };
  return (
    <div class={`bar banner ${trace.status}`} role="status" data-testid="banner">
      <StatusIcon status={trace.status} />
      <strong>{what}</strong>
      {cause && (
        <>
          <span class="lead">{blocked ? "Tripped:" : "First cause:"}</span>
          {cause.span_id === null ? (
            <b data-testid="first-cause">{cause.name}</b>
          ) : (
            <a href={`?span=${encodeURIComponent(cause.span_id)}`} onClick={go} data-testid="first-cause">
              {cause.name}
            </a>
          )}
          <code class="clip" title={cause.message}>
            {oneLine(cause.message)}
          </code>
          {cause.span_id !== null && (
            <button type="button" class="quiet to-cause" onClick={go}>
              {blocked ? "Go to guardrail" : "Go to cause"}
              <kbd>e</kbd>
            </button>
          )}
        </>
      )}
    </div>
  );
}
