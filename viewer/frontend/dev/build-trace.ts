/** Makes plausible traces for the mock: a small language of nested steps with offsets. */

import type { SpanJson, SpanStatus, TraceJson, TraceStatus } from "../src/api/types.ts";

export interface Step {
  name: string;
  type: string;
  /** Microseconds from the trace's start. */
  at: number;
  /** Null while running. */
  dur: number | null;
  status?: SpanStatus;
  detail?: string;
  model?: string;
  tokens?: [number, number];
  input?: unknown;
  output?: unknown;
  error?: SpanJson["error"];
  data?: Record<string, unknown>;
  children?: Step[];
}

export interface MockTrace {
  row: TraceJson;
  spans: SpanJson[];
  parents: number[];
  depths: number[];
}

export interface Facts {
  id: string;
  name: string;
  status: TraceStatus;
  startUs: number;
  group?: string | null;
  metadata?: Record<string, unknown>;
  input?: string;
  output?: string | null;
  cause?: string;
  handled?: number;
}

function spanOf(step: Step, facts: Facts, index: number, parent: string | null): SpanJson {
  const start = facts.startUs + step.at;
  return {
    span_id: `span_${facts.id.slice(6)}${index.toString(16).padStart(5, "0")}`,
    parent_id: parent,
    trace_id: facts.id,
    trace_name: facts.name,
    name: step.name,
    type: step.type,
    status: step.status ?? (step.error ? "error" : "ok"),
    start_us: start,
    end_us: step.dur === null ? null : start + step.dur,
    duration_ms: step.dur === null ? null : step.dur / 1000,
    detail: step.detail ?? null,
    model: step.model ?? null,
    cost_usd: step.tokens ? costOf(step.tokens) : null,
    input: step.input ?? null,
    output: step.output ?? null,
    error: step.error ?? null,
    usage: step.tokens
      ? {
          requests: 1,
          input_tokens: step.tokens[0],
          output_tokens: step.tokens[1],
          total_tokens: step.tokens[0] + step.tokens[1],
          input_tokens_details: { cached_tokens: Math.floor(step.tokens[0] / 4) },
          output_tokens_details: { reasoning_tokens: Math.floor(step.tokens[1] / 3) },
        }
      : null,
    data: { ...(step.model ? { model: step.model } : {}), ...step.data },
    attributes: step.type === "function" ? { "tenant.id": "acme", "feature.flag": "on" } : {},
  };
}

function costOf([sent, received]: [number, number]): number {
  return (sent * 2 + received * 8) / 1e6;
}

export function makeTrace(facts: Facts, steps: Step[]): MockTrace {
  const made: MockTrace = { row: {} as TraceJson, spans: [], parents: [], depths: [] };
  const add = (step: Step, parent: number, depth: number): void => {
    const index = made.spans.length;
    made.spans.push(spanOf(step, facts, index, parent < 0 ? null : made.spans[parent]!.span_id));
    made.parents.push(parent);
    made.depths.push(depth);
    for (const child of step.children ?? []) add(child, index, depth + 1);
  };
  for (const step of steps) add(step, -1, 0);
  made.row = rowOf(facts, made.spans);
  return made;
}

function rowOf(facts: Facts, spans: SpanJson[]): TraceJson {
  const ended = facts.status !== "running";
  const end = Math.max(...spans.map((span) => span.end_us ?? span.start_us));
  const cause = spans.find((span) => span.name === facts.cause) ?? null;
  const sum = (key: string): number | null => {
    const found = spans.filter((span) => span.usage !== null);
    return found.length ? found.reduce((n, span) => n + Number(span.usage?.[key] ?? 0), 0) : null;
  };
  return {
    trace_id: facts.id,
    name: facts.name,
    status: facts.status,
    group_id: facts.group ?? null,
    metadata: facts.metadata ?? {},
    start_us: facts.startUs,
    end_us: ended ? end : null,
    duration_ms: ended ? (end - facts.startUs) / 1000 : null,
    span_count: spans.length,
    error_count: spans.filter((span) => span.error).length - (facts.handled ?? 0),
    handled_errors: facts.handled ?? 0,
    input: facts.input ?? null,
    output: facts.output ?? null,
    first_cause: cause && {
      span_id: cause.span_id,
      name: cause.name,
      type: cause.type,
      message: cause.error?.message ?? "tripped: prompt injection (score 0.97)",
    },
    input_tokens: sum("input_tokens"),
    output_tokens: sum("output_tokens"),
    cached_tokens: sum("input_tokens") === null ? null : Math.floor(sum("input_tokens")! / 4),
    reasoning_tokens: sum("output_tokens") === null ? null : Math.floor(sum("output_tokens")! / 3),
    models: [...new Set(spans.map((span) => span.model).filter((model) => model !== null))],
    cost_usd: spans.some((span) => span.cost_usd !== null) ? spans.reduce((usd, span) => usd + (span.cost_usd ?? 0), 0) : null,
    unpriced_calls: 0,
    incomplete: false,
    lost: [],
    last_sign: facts.status === "interrupted" ? { at_us: end, host: "laptop", pid: 4711 } : null,
  };
}

export function skeletonOf(trace: MockTrace, nowUs: number): unknown {
  const { spans } = trace;
  const origin = trace.row.start_us;
  return {
    trace_id: trace.row.trace_id,
    origin_us: origin,
    now_us: nowUs,
    count: spans.length,
    columns: {
      span_id: spans.map((s) => s.span_id),
      parent: trace.parents,
      depth: trace.depths,
      name: spans.map((s) => s.name),
      type: spans.map((s) => s.type),
      status: spans.map((s) => s.status),
      start_us: spans.map((s) => s.start_us - origin),
      dur_us: spans.map((s) => (s.end_us === null ? null : s.end_us - s.start_us)),
      detail: spans.map((s) => s.detail),
      error: spans.map((s) => s.error?.message ?? null),
      model: spans.map((s) => s.model),
      input_tokens: spans.map((s) => (s.usage?.input_tokens as number | undefined) ?? null),
      output_tokens: spans.map((s) => (s.usage?.output_tokens as number | undefined) ?? null),
      cost_usd: spans.map((s) => s.cost_usd),
    },
  };
}
