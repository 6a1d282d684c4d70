/** Sums over a span's descendants, from the skeleton alone. Pure. */

import { isModelCall } from "../family.ts";
import type { Tree } from "./tree.ts";

export interface Totals {
  spans: number;
  modelCalls: number;
  modelUs: number;
  toolCalls: number;
  toolUs: number;
  /** Null when no call reported any. */
  inputTokens: number | null;
  outputTokens: number | null;
  /** Without the calls that `unpriced` counts; null when none has a price. */
  costUsd: number | null;
  unpriced: number;
  errors: number[];
}

export function buildTotals(tree: Tree, row: number): Totals {
  const { columns } = tree;
  const end = tree.subtreeEnd[row]!;
  const totals: Totals = {
    spans: end - row - 1,
    modelCalls: 0,
    modelUs: 0,
    toolCalls: 0,
    toolUs: 0,
    inputTokens: null,
    outputTokens: null,
    costUsd: null,
    unpriced: 0,
    errors: tree.errorRows.filter((at) => at > row && at < end),
  };
  for (let at = row + 1; at < end; at++) {
    const type = columns.type[at] ?? "";
    const dur = columns.dur_us[at] ?? 0;
    if (isModelCall(type)) {
      totals.modelCalls += 1;
      totals.modelUs += dur;
      // A call that another call made is counted in that one's usage.
      if (isModelCall(columns.type[columns.parent[at] ?? -1] ?? "")) continue;
      const cost = columns.cost_usd[at] ?? null;
      totals.costUsd = sum(totals.costUsd, cost);
      if (cost === null) totals.unpriced += 1;
      totals.inputTokens = sum(totals.inputTokens, columns.input_tokens[at]);
      totals.outputTokens = sum(totals.outputTokens, columns.output_tokens[at]);
    } else if (type === "function") {
      totals.toolCalls += 1;
      totals.toolUs += dur;
    }
  }
  return totals;
}

function sum(total: number | null, n: number | null | undefined): number | null {
  return n === null || n === undefined ? total : (total ?? 0) + n;
}
