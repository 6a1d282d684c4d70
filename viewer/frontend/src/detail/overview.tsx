/** The first tab of spans that are neither a model call nor a tool call. */

import type { SpanJson } from "../api/types.ts";
import { Icon, StatusIcon } from "../app/icons.tsx";
import { absolute, count, dollars, duration, plural } from "../format.ts";
import { kindOf } from "../family.ts";
import { buildTotals, type Totals } from "../trace/totals.ts";
import type { TraceState } from "../trace/state.ts";
import { Fields } from "./fields.tsx";
import { ErrorCard, Trail } from "./failure.tsx";
import { Section } from "./section.tsx";
import { isEmpty } from "./tabs.ts";
import { Value } from "./value.tsx";

interface Props {
  span: SpanJson;
  state: TraceState;
}

export function OverviewTab({ span, state }: Props) {
  const row = state.tree.value?.rowOf.get(span.span_id);
  const totals = row === undefined || !state.tree.value ? null : buildTotals(state.tree.value, row);
  const inside = totals !== null && totals.spans > 0;
  return (
    <>
      <ErrorCard span={span} stopped={row !== undefined && state.stopped.value.has(row)} />
      {span.type === "guardrail" && <Verdict span={span} state={state} />}
      {span.type === "handoff" && <Handoff span={span} />}
      {inside && <TotalsView totals={totals} state={state} />}
      {!isEmpty(span.input) && (
        <Section title={span.type === "guardrail" ? "What it judged" : "Input"}>
          <Value value={span.input} />
        </Section>
      )}
      {!isEmpty(span.output) && (
        <Section title="Output">
          <Value value={span.output} />
        </Section>
      )}
      {!isEmpty(shownData(span)) && (
        <Section title={kindOf(span.type).label === "agent" ? "Agent" : "Data"}>
          <Fields values={shownData(span)} />
        </Section>
      )}
      {!isEmpty(span.attributes) && (
        <Section title="Attributes">
          <Fields values={span.attributes} />
        </Section>
      )}
      <Trail span={span} />
      {span.status === "interrupted" && (
        <p class="muted none">Its process ended, or was killed, before this span did.</p>
      )}
      {!inside && isBare(span) && <Bare span={span} />}
    </>
  );
}

/** Whether nothing but name and times of a span was recorded. */
function isBare(span: SpanJson): boolean {
  if (span.type === "guardrail" || span.type === "handoff" || span.error) return false;
  return [span.input, span.output, shownData(span), span.attributes].every(isEmpty);
}

function Bare({ span }: { span: SpanJson }) {
  const took = span.duration_ms === null ? NO_END[span.status] : duration(span.duration_ms);
  return (
    <>
      <Section title="Recorded">
        <Fields values={{ started: absolute(span.start_us), took: took ?? "no end" }} />
      </Section>
      <p class="muted none">
        This span has a name and its times, and no data. A program adds some with{" "}
        <code>span.set(key=value)</code>.
      </p>
    </>
  );
}

const NO_END: Partial<Record<SpanJson["status"], string>> = { running: "still running" };

const SHOWN_ELSEWHERE = new Set(["triggered", "from_agent", "to_agent", "name", "usage"]);

function shownData(span: SpanJson): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(span.data).filter(([key, value]) => !SHOWN_ELSEWHERE.has(key) && !isEmpty(value)),
  );
}

function Verdict({ span, state }: Props) {
  const tripped = span.data.triggered === true || state.trippedId.value === span.span_id;
  if (span.status === "running") return <p class="muted none">still judging…</p>;
  return (
    <p class={tripped ? "verdict tripped" : "verdict"} data-testid="verdict">
      <StatusIcon status={tripped ? "blocked" : span.status === "error" ? "error" : "ok"} />
      {tripped ? "Tripped: the run was stopped here." : span.status === "error" ? "Failed." : "Passed."}
    </p>
  );
}

function Handoff({ span }: { span: SpanJson }) {
  return (
    <p class="handoff">
      <b>{String(span.data.from_agent ?? "–")}</b>
      <Icon name="handoff" cls="f-agent" />
      <b>{String(span.data.to_agent ?? "–")}</b>
    </p>
  );
}

function TotalsView({ totals, state }: { totals: Totals; state: TraceState }) {
  const errors = totals.errors.filter((row) => !state.stopped.value.has(row));
  return (
    <Section title="Inside">
      <dl class="totals">
        <div>
          <dt>Spans</dt>
          <dd>{count(totals.spans)}</dd>
        </div>
        <div>
          <dt>Model calls</dt>
          <dd>
            {count(totals.modelCalls)}
            {totals.modelUs > 0 && <span class="muted"> {duration(totals.modelUs / 1000)}</span>}
          </dd>
        </div>
        <div>
          <dt>Tool calls</dt>
          <dd>
            {count(totals.toolCalls)}
            {totals.toolUs > 0 && <span class="muted"> {duration(totals.toolUs / 1000)}</span>}
          </dd>
        </div>
        <div>
          <dt>Tokens in / out</dt>
          <dd>
            {totals.inputTokens === null ? "–" : `${count(totals.inputTokens)} / ${count(totals.outputTokens)}`}
          </dd>
        </div>
        {totals.modelCalls > 0 && (
          <div title={totals.unpriced > 0 ? `Of ${plural(totals.unpriced, "call")} no cost is known` : undefined}>
            <dt>Cost</dt>
            <dd data-testid="cost">{dollars(totals.costUsd, totals.unpriced > 0)}</dd>
          </div>
        )}
      </dl>
      {errors.length > 0 && (
        <p class="inner-errors">
          {plural(errors.length, "error")}:
          {errors.slice(0, 8).map((row) => (
            <button type="button" class="link" key={row} onClick={() => state.select(row)}>
              {state.tree.peek()?.columns.name[row]}
            </button>
          ))}
        </p>
      )}
    </Section>
  );
}
