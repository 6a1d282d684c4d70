import { expect, test } from "vitest";
import { buildTotals } from "../src/trace/totals.ts";
import {
  ancestors,
  buildTree,
  firstChoice,
  hasChildren,
  initialCollapsed,
  nextAmong,
  nextModelCall,
  stoppedRows,
  toolSpanOf,
  visibleAncestor,
  visibleRows,
} from "../src/trace/tree.ts";
import { skeleton, type Line } from "./skeletons.ts";

const RUN: Line[] = [
  { id: "run", depth: 0, type: "task", start: 0, dur: 100 },
  { id: "agent", depth: 1, type: "agent", start: 0, dur: 100 },
  { id: "turn1", depth: 2, type: "turn", start: 0, dur: 40 },
  { id: "gen1", depth: 3, type: "response", start: 0, dur: 10, tokens: [100, 10], cost: 0.25 },
  { id: "tool1", depth: 3, type: "function", name: "search", start: 11, dur: 10 },
  { id: "tool2", depth: 3, type: "function", name: "search", start: 11, dur: 20, status: "error" },
  { id: "turn2", depth: 2, type: "turn", start: 50, dur: 50 },
  { id: "gen2", depth: 3, type: "generation", start: 50, dur: 40, tokens: [200, 20] },
  { id: "tool3", depth: 3, type: "function", name: "search", start: 91, dur: 5 },
  { id: "pii", depth: 1, type: "guardrail", start: 101, dur: 3 },
];

const tree = buildTree(skeleton(RUN));
const row = (id: string): number => tree.rowOf.get(id)!;
const ids = (rows: number[]): string[] => rows.map((at) => tree.columns.span_id[at]!);

test("subtrees end where the next sibling or uncle begins", () => {
  expect(tree.subtreeEnd[row("turn1")]).toBe(row("turn2"));
  expect(tree.subtreeEnd[row("agent")]).toBe(row("pii"));
  expect(tree.subtreeEnd[row("run")]).toBe(tree.count);
  expect(hasChildren(tree, row("gen1"))).toBe(false);
});

test("every ancestor knows of the errors below it", () => {
  expect(["run", "agent", "turn1", "turn2", "tool2"].map((id) => tree.errorsBelow[row(id)])).toEqual([1, 1, 1, 0, 0]);
  expect(tree.lastEndUs).toBe(104);
});

test("collapsed rows hide their descendants only", () => {
  const shown = ids(visibleRows(tree, new Set(["turn1"])));
  expect(shown).toEqual(["run", "agent", "turn1", "turn2", "gen2", "tool3", "pii"]);
  expect(ids(visibleRows(tree, new Set(["run"])))).toEqual(["run"]);
});

test("a hidden row is stood for by its outermost collapsed ancestor", () => {
  const collapsed = new Set(["agent", "turn1"]);
  expect(visibleAncestor(tree, collapsed, row("tool2"))).toBe(row("agent"));
  expect(visibleAncestor(tree, collapsed, row("pii"))).toBe(row("pii"));
  expect(ids(ancestors(tree, row("tool2")))).toEqual(["turn1", "agent", "run"]);
});

test("a small trace opens whole", () => {
  expect(initialCollapsed(tree, [])).toEqual(new Set());
});

function bigTrace(turns: number, failedTurn: number): Line[] {
  const lines: Line[] = [
    { id: "run", depth: 0 },
    { id: "agent", depth: 1 },
  ];
  for (let turn = 0; turn < turns; turn++) {
    lines.push({ id: `t${turn}`, depth: 2 });
    for (let i = 0; i < 8; i++) {
      lines.push({ id: `t${turn}.${i}`, depth: 3, status: turn === failedTurn && i === 2 ? "error" : "ok" });
    }
  }
  return lines;
}

test("a large trace opens to its turns, and down to what failed and what is wanted", () => {
  const big = buildTree(skeleton(bigTrace(300, 250)));
  const shut = initialCollapsed(big, [big.rowOf.get("t7.1")!]);
  const shown = visibleRows(big, shut).map((at) => big.columns.span_id[at]);
  expect(shut.size).toBe(298);
  expect(shown).toContain("t250.2");
  expect(shown).toContain("t7.0");
  expect(shown).toContain("t299");
  expect(shown).not.toContain("t8.0");
});

test("a flat trace of many spans is not closed at all", () => {
  const flat = Array.from({ length: 500 }, (_, i): Line => ({ id: `s${i}`, depth: 0 }));
  expect(initialCollapsed(buildTree(skeleton(flat)), [])).toEqual(new Set());
});

test("errors and model calls are walked around the end", () => {
  expect(tree.errorRows).toEqual([row("tool2")]);
  expect(nextAmong([2, 5], 0, 1)).toBe(2);
  expect(nextAmong([2, 5], 2, 1)).toBe(5);
  expect(nextAmong([2, 5], 5, 1)).toBe(2);
  expect(nextAmong([2, 5], 2, -1)).toBe(5);
  expect(nextModelCall(tree, row("gen1"))).toBe(row("gen2"));
  expect(nextModelCall(tree, row("gen2"))).toBe(row("gen1"));
  expect(nextModelCall(tree, row("gen1"), -1)).toBe(row("gen2"));
  const none = buildTree(skeleton([{ id: "a", depth: 0 }]));
  expect([nextAmong(none.errorRows, 0, 1), nextModelCall(none, 0)]).toEqual([null, null]);
});

test("what a tripped guardrail stopped is the failed spans outside tools", () => {
  const blocked = buildTree(
    skeleton([
      { id: "task", depth: 0, status: "error" },
      { id: "agent", depth: 1, status: "error" },
      { id: "guard", depth: 2, type: "guardrail" },
      { id: "turn", depth: 2, type: "turn", status: "error" },
      { id: "tool", depth: 3, type: "function", status: "error" },
      { id: "inside", depth: 4, status: "error" },
    ]),
  );
  expect([...stoppedRows(blocked)]).toEqual([0, 1, 3]);
});

test("what is shown first: the cause, else the first model call, else the first row", () => {
  expect(firstChoice(tree, "tool2")).toBe(row("tool2"));
  expect(firstChoice(tree, null)).toBe(row("gen1"));
  expect(firstChoice(tree, "gone")).toBe(row("gen1"));
  expect(firstChoice(buildTree(skeleton([{ id: "a", depth: 0 }])), null)).toBe(0);
});

test("a tool call leads to the span that ran it, within its turn", () => {
  expect(toolSpanOf(tree, row("gen1"), "search", 0)).toBe("tool1");
  expect(toolSpanOf(tree, row("gen1"), "search", 1)).toBe("tool2");
  expect(toolSpanOf(tree, row("gen1"), "search", 2)).toBeNull();
  expect(toolSpanOf(tree, row("gen2"), "search", 0)).toBe("tool3");
});

test("a span that runs makes the trace a running one", () => {
  const live = buildTree(skeleton([{ id: "a", depth: 0, status: "running", dur: null, start: 7 }]));
  expect([live.running, live.lastEndUs]).toEqual([true, 7]);
  const dead = buildTree(skeleton([{ id: "a", depth: 0, status: "interrupted", dur: null }]));
  expect(dead.running).toBe(false);
});

test("an empty trace is a tree without rows", () => {
  const none = buildTree(skeleton([]));
  expect([none.count, visibleRows(none, new Set()).length, nextModelCall(none, -1)]).toEqual([0, 0, null]);
});

test("totals are sums over what is inside", () => {
  expect(buildTotals(tree, row("agent"))).toEqual({
    spans: 7,
    modelCalls: 2,
    modelUs: 50,
    toolCalls: 3,
    toolUs: 35,
    inputTokens: 300,
    outputTokens: 30,
    costUsd: 0.25,
    unpriced: 1,
    errors: [row("tool2")],
  });
  expect(buildTotals(tree, row("pii"))).toMatchObject({ inputTokens: null, costUsd: null, unpriced: 0 });
});

test("what a call made within another is in that one's usage already", () => {
  const nested = buildTree(
    skeleton([
      { id: "run", depth: 0 },
      { id: "outer", depth: 1, type: "response", tokens: [100, 10], cost: 0.5 },
      { id: "inner", depth: 2, type: "generation", tokens: [100, 10], cost: 0.5 },
    ]),
  );
  expect(buildTotals(nested, 0)).toMatchObject({ modelCalls: 2, inputTokens: 100, outputTokens: 10, costUsd: 0.5 });
});
