/** One trace on one line. */

import { memo } from "../app/memo.ts";
import type { TraceJson } from "../api/types.ts";
import { second, serverNow } from "../app/clock.ts";
import { StatusIcon } from "../app/icons.tsx";
import { go } from "../app/router.ts";
import { traceUrl } from "../app/url.ts";
import { absolute, count, dollars, duration, elapsed, exact, oneLine, plural, relative } from "../format.ts";
import { costNote, lossText, lostHere } from "../trace/facts.ts";
import { durationShare } from "./merge.ts";

interface Props {
  trace: TraceJson;
  index: number;
  selected: boolean;
  longest: number;
  rowHeight: number;
  onSelect: (traceId: string) => void;
}

function Outcome({ trace }: { trace: TraceJson }) {
  const cause = trace.first_cause;
  if (trace.status === "error" || trace.status === "blocked") {
    const message = oneLine(cause?.message ?? trace.output ?? "no message was recorded");
    return (
      <span class={`cause ${trace.status}`} title={cause ? `${cause.name}: ${cause.message}` : message}>
        {cause && <b>{cause.name}</b>}
        <span>{message}</span>
      </span>
    );
  }
  if (trace.output) return <span class="clip">{oneLine(trace.output)}</span>;
  return <span class="clip muted">{EMPTY[trace.status] ?? "–"}</span>;
}

const EMPTY: Record<string, string> = {
  running: "running…",
  cancelled: "cancelled",
  interrupted: "interrupted: its process ended without ending it",
};

function Elapsed({ trace, longest }: { trace: TraceJson; longest: number }) {
  let ms = trace.duration_ms;
  if (ms === null && trace.status === "running") {
    void second.value;
    ms = (serverNow() - trace.start_us) / 1000;
    return <span class="dur running-dur">{elapsed(ms)}</span>;
  }
  const share = ms === null ? 0 : durationShare(ms, longest);
  return (
    <span class={`dur d-${trace.status}`}>
      <span class="dur-bar">{share > 0 && <i style={{ width: `${(share * 100).toFixed(1)}%` }} />}</span>
      {duration(ms)}
    </span>
  );
}

function Started({ us }: { us: number }) {
  void second.value;
  return (
    <time title={absolute(us)} dateTime={new Date(us / 1000).toISOString()}>
      {relative(us, serverNow())}
    </time>
  );
}

function tokens(trace: TraceJson): string {
  if (trace.input_tokens === null && trace.output_tokens === null) return "–";
  return `${count(trace.input_tokens)} / ${count(trace.output_tokens)}`;
}

function tokensTitle(trace: TraceJson): string {
  if (trace.input_tokens === null && trace.output_tokens === null) return "No usage was reported";
  const known = (n: number | null): string => (n === null ? "–" : exact(n));
  return [
    `in ${known(trace.input_tokens)}`,
    `out ${known(trace.output_tokens)}`,
    `cached ${known(trace.cached_tokens)}`,
    `reasoning ${known(trace.reasoning_tokens)}`,
    ...(trace.models.length ? [trace.models.join(", ")] : []),
  ].join("\n");
}

/** The cells to the right of the duration. */
function Figures({ trace }: { trace: TraceJson }) {
  return (
    <>
      <span role="gridcell" class="c-tokens num" title={tokensTitle(trace)}>
        {tokens(trace)}
      </span>
      <span role="gridcell" class="c-cost num" title={costNote(trace)} data-testid="cost">
        {dollars(trace.cost_usd, trace.unpriced_calls > 0)}
      </span>
      <span role="gridcell" class="c-spans num">
        {count(trace.span_count)}
      </span>
      <span role="gridcell" class="c-group">
        {trace.group_id && (
          <a
            href={`/?group=${encodeURIComponent(trace.group_id)}`}
            tabIndex={-1}
            title={`Traces of ${trace.group_id}`}
          >
            {trace.group_id}
          </a>
        )}
      </span>
      <span role="gridcell" class="c-started muted">
        <Started us={trace.start_us} />
      </span>
    </>
  );
}

/** The whole row opens its trace, the way a link would; links inside it go their own way. */
function openRow(event: MouseEvent, traceId: string): void {
  if ((event.target as Element).closest("a, button")) return;
  if (String(getSelection() ?? "") !== "") return;
  const apart = event.button === 1 || event.ctrlKey || event.metaKey;
  if (apart) window.open(traceUrl(traceId), "_blank", "noopener");
  else if (event.button === 0) go({ page: "trace", traceId, span: null, tab: null, zoom: null });
}

function TraceRowPlain({ trace, index, selected, longest, rowHeight, onSelect }: Props) {
  return (
    <div
      id={`row-${trace.trace_id}`}
      class={selected ? "trace-row selected" : "trace-row"}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      data-testid="trace-row"
      data-trace-id={trace.trace_id}
      data-status={trace.status}
      style={{ top: `${index * rowHeight}px` }}
      onPointerDown={() => onSelect(trace.trace_id)}
      onClick={(event) => openRow(event, trace.trace_id)}
      onAuxClick={(event) => openRow(event, trace.trace_id)}
    >
      <span role="gridcell" class="c-status" title={trace.status} data-testid="status">
        <StatusIcon status={trace.status} />
      </span>
      <span role="gridcell" class="c-name">
        <a href={traceUrl(trace.trace_id)} tabIndex={-1} class="row-link" title={trace.name}>
          {trace.name}
        </a>
      </span>
      <span role="gridcell" class="c-input clip" title={trace.input ?? ""}>
        {trace.input ? oneLine(trace.input) : <span class="muted">–</span>}
      </span>
      <span role="gridcell" class="c-output" data-testid="outcome">
        <Outcome trace={trace} />
        {trace.handled_errors > 0 && (
          <span class="badge handled" title={`${plural(trace.handled_errors, "error")} the run recovered from`}>
            {trace.handled_errors} handled
          </span>
        )}
        {trace.incomplete && (
          <span class="badge handled" title={lossText(trace)} data-testid="incomplete">
            {lostHere(trace) ? "incomplete" : "not all delivered"}
          </span>
        )}
      </span>
      <span role="gridcell" class="c-duration">
        <Elapsed trace={trace} longest={longest} />
      </span>
      <Figures trace={trace} />
    </div>
  );
}

export const TraceRow = memo(TraceRowPlain);
