import { expect, test } from "vitest";
import type { SpanJson } from "../src/api/types.ts";
import { errorParts } from "../src/detail/error-parts.ts";
import { shownTab, tabsOf } from "../src/detail/tabs.ts";
import { FOLD_CHARS, FOLD_LINES, fold, tail, valueText, withoutMarks } from "../src/detail/text.ts";
import { usageRows } from "../src/detail/usage-rows.ts";
import { kindOf } from "../src/family.ts";

const lines = (n: number): string => Array.from({ length: n }, (_, i) => `line ${i + 1}`).join("\n");

test("a text of forty lines is shown whole, a longer one folded", () => {
  expect(fold(lines(FOLD_LINES), 0)).toMatchObject({ folded: false, lines: FOLD_LINES });
  const long = fold(lines(FOLD_LINES + 60), 0);
  expect(long).toMatchObject({ folded: true, lines: FOLD_LINES + 60 });
  expect(long.shown.split("\n")).toHaveLength(FOLD_LINES);
  expect(fold(lines(FOLD_LINES + 60), 1).folded).toBe(false);
});

test("a single endless line is folded too, and grows in steps", () => {
  const text = "x".repeat(500_000);
  expect(fold(text, 0).shown).toHaveLength(FOLD_CHARS);
  expect(fold(text, 1).shown).toHaveLength(200_000);
  expect(fold(text, 3)).toMatchObject({ folded: false, size: 500_000 });
});

test("never more than two thousand lines come with a step", () => {
  expect(fold(lines(9000), 1).shown.split("\n")).toHaveLength(2000);
});

test("the end of a long stack comes first", () => {
  expect(tail(lines(20))).toBeNull();
  expect(tail(lines(50))).toEqual({ shown: lines(50).split("\n").slice(34).join("\n"), hidden: 34 });
});

test("data reads indented, text as it is", () => {
  expect([valueText({ a: 1 }), valueText("x"), valueText(undefined), valueText(null)]).toEqual(['{\n  "a": 1\n}', "x", "", "null"]);
});

function span(change: Partial<SpanJson>): SpanJson {
  return {
    span_id: "s",
    parent_id: null,
    trace_id: "t",
    trace_name: null,
    name: "n",
    type: "custom",
    status: "ok",
    start_us: 0,
    end_us: 1,
    duration_ms: 0.001,
    detail: null,
    model: null,
    cost_usd: null,
    input: null,
    output: null,
    error: null,
    usage: null,
    data: {},
    attributes: {},
    ...change,
  };
}

const tabIds = (change: Partial<SpanJson>): string[] => tabsOf(span(change)).map((tab) => tab.id);

test("a span has the tabs it can fill", () => {
  expect(tabIds({})).toEqual(["overview", "raw"]);
  expect(tabIds({ type: "response", usage: { input_tokens: 1 }, data: { model: "m" } })).toEqual([
    "conversation",
    "input",
    "output",
    "usage",
    "config",
    "raw",
  ]);
  expect(tabIds({ type: "function", input: "{}", error: { message: "x", data: null } })).toEqual(["call", "input", "error", "raw"]);
});

test("an asked tab that a span lacks falls back to its first", () => {
  const tabs = tabsOf(span({ type: "function" }));
  expect([shownTab(tabs, "usage"), shownTab(tabs, "raw"), shownTab(tabs, null)]).toEqual(["call", "raw", "call"]);
});

test("a stack is drawn without its lines of marks", () => {
  const stack = 'File "a.py", line 1, in f\n    g(x ^ y)\n    ~~^^^^^^\n  File "b.py", line 2\n      ^^^^\nE: ^^^\n';
  expect(withoutMarks(stack)).toBe('File "a.py", line 1, in f\n    g(x ^ y)\n  File "b.py", line 2\nE: ^^^\n');
});

test("a recorded exception is taken apart", () => {
  const parts = errorParts({
    message: "m",
    data: { type: "ValueError", message: "m", stack: "Traceback", code: 3, causes: [{ type: "KeyError", message: "k" }, "odd"] },
  });
  expect(parts).toEqual({
    type: "ValueError",
    stack: "Traceback",
    causes: [
      { type: "KeyError", message: "k", stack: null },
      { type: "cause", message: "odd", stack: null },
    ],
    rest: { code: 3 },
  });
  expect(errorParts({ message: "m", data: null })).toEqual({ type: null, stack: null, causes: [], rest: {} });
});

test("usage is read under both APIs' names", () => {
  const pairs = (usage: Record<string, unknown>, ms: number | null) => usageRows(usage, ms).map((r) => [r.label, r.value, r.note ?? ""]);
  expect(
    pairs({ input_tokens: 1000, output_tokens: 50, input_tokens_details: { cached_tokens: 250 }, output_tokens_details: { reasoning_tokens: 10 } }, 2000),
  ).toEqual([
    ["Input", "1,000", ""],
    ["of it cached", "250", "25 %"],
    ["Output", "50", ""],
    ["of it reasoning", "10", "20 %"],
    ["Total", "1,050", ""],
    ["Speed", "25.0", "output tokens a second"],
  ]);
  expect(pairs({ prompt_tokens: 3, completion_tokens: 4, total_tokens: 9 }, null)).toEqual([
    ["Input", "3", ""],
    ["Output", "4", ""],
    ["Total", "9", ""],
  ]);
  expect(pairs({}, 5)).toEqual([]);
});

test("an unknown type is drawn as custom under its own name", () => {
  expect(kindOf("retriever")).toEqual({ family: "custom", icon: "custom", label: "retriever" });
  expect(kindOf("").label).toBe("custom");
});
