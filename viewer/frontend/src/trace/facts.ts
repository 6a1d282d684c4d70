/** What is said of a trace in whole sentences: its cost, its losses, its interruption. Pure. */

import type { TraceJson } from "../api/types.ts";
import { absolute, plural } from "../format.ts";

/** What stands behind a trace's cost, or behind its having none. */
export function costNote(trace: TraceJson): string {
  const { cost_usd: cost, unpriced_calls: unpriced } = trace;
  if (cost === null && unpriced === 0) return "No model was called";
  if (cost === null) {
    if (trace.input_tokens === null || trace.output_tokens === null) return "Cost unknown: no usage was reported";
    return noPrice(trace.models);
  }
  if (unpriced === 0) return `$${cost} by the price table`;
  return `$${cost} and the cost of ${plural(unpriced, "call")}, which is not known: no price or no usage`;
}

/** Said of a call, or of all calls, without a price. */
export function noPrice(models: readonly (string | null)[]): string {
  const named = models.filter((model) => model !== null && model !== "");
  return `No price known for ${named.length ? named.join(", ") : "a model without a name"}`;
}

/** What of a trace was lost, by whom and why. */
export function lossText(trace: TraceJson): string {
  const parts = trace.lost.map(({ exporter, reason, items }) => {
    const what = `${reason} (${plural(items, "item")})`;
    return exporter === "duckdb" ? what : `${exporter}: ${what}`;
  });
  return parts.length ? parts.join(" · ") : "it was not told what";
}

/** Whether this store lost something, rather than only another place that the trace was sent to. */
export function lostHere(trace: TraceJson): boolean {
  return trace.lost.length === 0 || trace.lost.some((one) => one.exporter === "duckdb");
}

/** When and where an interrupted trace was last heard of. */
export function lastSign(trace: TraceJson): string | null {
  const sign = trace.last_sign;
  if (sign === null) return null;
  const process = sign.pid === null ? "" : `, process ${sign.pid}`;
  const host = sign.host === null ? "" : ` on ${sign.host}`;
  return `${absolute(sign.at_us)}${process}${host}`;
}
