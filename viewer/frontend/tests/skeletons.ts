/** Makes skeletons for tests from a short notation. */

import type { Skeleton, SpanStatus, TraceJson } from "../src/api/types.ts";

export interface Line {
  id: string;
  depth: number;
  type?: string;
  name?: string;
  status?: SpanStatus;
  start?: number;
  dur?: number | null;
  tokens?: [number, number];
  cost?: number;
}

export function skeleton(lines: Line[]): Skeleton {
  const parents: number[] = [];
  const parentOf = lines.map((line, row) => {
    parents[line.depth] = row;
    return line.depth === 0 ? -1 : (parents[line.depth - 1] ?? -1);
  });
  return {
    trace_id: "trace_1",
    origin_us: 1_000_000,
    now_us: 2_000_000,
    count: lines.length,
    columns: {
      span_id: lines.map((line) => line.id),
      parent: parentOf,
      depth: lines.map((line) => line.depth),
      name: lines.map((line) => line.name ?? line.id),
      type: lines.map((line) => line.type ?? "custom"),
      status: lines.map((line) => line.status ?? "ok"),
      start_us: lines.map((line, row) => line.start ?? row * 10),
      dur_us: lines.map((line) => (line.dur === undefined ? 5 : line.dur)),
      detail: lines.map(() => null),
      error: lines.map(() => null),
      model: lines.map(() => null),
      input_tokens: lines.map((line) => line.tokens?.[0] ?? null),
      output_tokens: lines.map((line) => line.tokens?.[1] ?? null),
      cost_usd: lines.map((line) => line.cost ?? null),
    },
  };
}

export function trace(id: string, startUs: number, change: Partial<TraceJson> = {}): TraceJson {
  return {
    trace_id: id,
    name: id,
    status: "ok",
    group_id: null,
    metadata: {},
    start_us: startUs,
    end_us: startUs + 1000,
    duration_ms: 1,
    span_count: 1,
    error_count: 0,
    handled_errors: 0,
    input: null,
    output: null,
    first_cause: null,
    input_tokens: null,
    output_tokens: null,
    cached_tokens: null,
    reasoning_tokens: null,
    cost_usd: null,
    unpriced_calls: 0,
    models: [],
    incomplete: false,
    lost: [],
    last_sign: null,
    ...change,
  };
}
