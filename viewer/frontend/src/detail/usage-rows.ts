/** Tokens of a call under the names of either API, and how fast they came. Pure. */

import { exact } from "../format.ts";
import { isDict } from "./messages.ts";

export interface UsageRow {
  label: string;
  value: string;
  note?: string;
  inner?: boolean;
}

function number(...values: unknown[]): number | null {
  for (const value of values) if (typeof value === "number") return value;
  return null;
}

function inside(value: unknown, key: string): unknown {
  return isDict(value) ? value[key] : undefined;
}

/** Both APIs' names for the same numbers. */
export function usageRows(usage: Record<string, unknown>, durationMs: number | null): UsageRow[] {
  const input = number(usage.input_tokens, usage.prompt_tokens);
  const output = number(usage.output_tokens, usage.completion_tokens);
  const inputDetails = usage.input_tokens_details ?? usage.prompt_tokens_details;
  const outputDetails = usage.output_tokens_details ?? usage.completion_tokens_details;
  const cached = number(inside(inputDetails, "cached_tokens"), usage.cached_tokens, usage.cached_input_tokens);
  const reasoning = number(inside(outputDetails, "reasoning_tokens"), usage.reasoning_tokens);
  const total = number(usage.total_tokens, input !== null && output !== null ? input + output : null);
  const rows: UsageRow[] = [];
  const share = (part: number, whole: number | null): string =>
    whole ? `${Math.round((part / whole) * 100)} %` : "";
  if (input !== null) rows.push({ label: "Input", value: exact(input) });
  if (cached !== null) rows.push({ label: "of it cached", value: exact(cached), note: share(cached, input), inner: true });
  if (output !== null) rows.push({ label: "Output", value: exact(output) });
  if (reasoning !== null) {
    rows.push({ label: "of it reasoning", value: exact(reasoning), note: share(reasoning, output), inner: true });
  }
  if (total !== null) rows.push({ label: "Total", value: exact(total) });
  if (output && durationMs) {
    const speed = output / (durationMs / 1000);
    rows.push({ label: "Speed", value: speed < 1000 ? speed.toFixed(1) : exact(Math.round(speed)), note: "output tokens a second" });
  }
  return rows;
}
