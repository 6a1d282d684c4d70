/** Shapes of the REST API (`/api/v1`). Times are microseconds, durations milliseconds. */

export type TraceStatus = "running" | "ok" | "error" | "blocked" | "cancelled" | "interrupted";
export type SpanStatus = TraceStatus;

export interface FirstCause {
  /** Null where no span failed but the trace itself did. */
  span_id: string | null;
  name: string;
  type: string;
  message: string;
}

/** What an exporter did not keep or deliver; the store itself is the one named `duckdb`. */
export interface Lost {
  exporter: string;
  reason: string;
  items: number;
}

/** The last that an interrupted trace recorded. */
export interface LastSign {
  at_us: number;
  host: string | null;
  pid: number | null;
}

export interface TraceJson {
  trace_id: string;
  name: string;
  status: TraceStatus;
  group_id: string | null;
  metadata: Record<string, unknown>;
  start_us: number;
  end_us: number | null;
  duration_ms: number | null;
  span_count: number;
  error_count: number;
  handled_errors: number;
  input: string | null;
  output: string | null;
  first_cause: FirstCause | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_tokens: number | null;
  reasoning_tokens: number | null;
  /** Without the calls that `unpriced_calls` counts; null when none has a price. */
  cost_usd: number | null;
  unpriced_calls: number;
  models: string[];
  incomplete: boolean;
  lost: Lost[];
  last_sign: LastSign | null;
}

export interface TracePage {
  traces: TraceJson[];
  next_cursor: string | null;
}

export interface Columns {
  span_id: string[];
  parent: number[];
  depth: number[];
  name: string[];
  type: string[];
  status: SpanStatus[];
  start_us: number[];
  dur_us: (number | null)[];
  detail: (string | null)[];
  error: (string | null)[];
  model: (string | null)[];
  input_tokens: (number | null)[];
  output_tokens: (number | null)[];
  cost_usd: (number | null)[];
}

/** Every span of a trace in tree order, without a payload. */
export interface Skeleton {
  trace_id: string;
  origin_us: number;
  now_us: number;
  count: number;
  columns: Columns;
}

export interface SpanError {
  message: string;
  data: Record<string, unknown> | null;
}

export interface SpanJson {
  span_id: string;
  parent_id: string | null;
  trace_id: string;
  trace_name: string | null;
  name: string;
  type: string;
  status: SpanStatus;
  start_us: number;
  end_us: number | null;
  duration_ms: number | null;
  detail: string | null;
  model: string | null;
  cost_usd: number | null;
  input: unknown;
  output: unknown;
  error: SpanError | null;
  usage: Record<string, unknown> | null;
  data: Record<string, unknown>;
  attributes: Record<string, unknown>;
}

export interface Meta {
  version: string;
  store: { path: string; size_bytes: number; schema: number };
  counts: { traces: number; spans: number };
  losses: Record<string, number>;
  now_us: number;
}

export interface Problem {
  title: string;
  status: number;
  detail?: string;
  code?: string;
  hint?: string;
}
