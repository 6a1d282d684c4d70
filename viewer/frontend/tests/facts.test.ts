import { expect, test } from "vitest";
import type { TraceJson } from "../src/api/types.ts";
import { lostNote } from "../src/detail/lost.ts";
import { readMessages } from "../src/detail/messages.ts";
import { costNote, lastSign, lossText, lostHere } from "../src/trace/facts.ts";
import { trace } from "./skeletons.ts";

const made = (change: Partial<TraceJson>): TraceJson => trace("t", 0, change);

test.each<[Partial<TraceJson>, string]>([
  [{}, "No model was called"],
  [{ unpriced_calls: 1 }, "Cost unknown: no usage was reported"],
  [{ unpriced_calls: 2, input_tokens: 5, output_tokens: 1, models: ["mine"] }, "No price known for mine"],
  [{ unpriced_calls: 1, input_tokens: 5, output_tokens: 1 }, "No price known for a model without a name"],
  [{ cost_usd: 0 }, "$0 by the price table"],
  [{ cost_usd: 0.5, unpriced_calls: 1 }, "$0.5 and the cost of 1 call, which is not known: no price or no usage"],
])("a cost is explained: %o", (change, text) => {
  expect(costNote(made(change))).toBe(text);
});

test("a loss is told by whom and why, and whether it is whole here", () => {
  const otlp = { exporter: "OTLPExporter", reason: "queue full", items: 1200 };
  const own = { exporter: "duckdb", reason: "larger than a line may be", items: 1 };
  expect(lossText(made({ lost: [otlp, own] }))).toBe(
    "OTLPExporter: queue full (1,200 items) · larger than a line may be (1 item)",
  );
  expect([[otlp], [otlp, own], []].map((lost) => lostHere(made({ lost })))).toEqual([false, true, true]);
});

test("the last sign of life names its process, as far as it is known", () => {
  const at = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.000/;
  expect(lastSign(made({}))).toBeNull();
  const whole = lastSign(made({ last_sign: { at_us: 0, host: "box", pid: 7 } }))!;
  expect(whole.replace(at, "")).toBe(", process 7 on box");
  expect(lastSign(made({ last_sign: { at_us: 0, host: null, pid: null } }))!.replace(at, "")).toBe("");
});

test("the mark of a value that was not kept reads as a sentence, wherever it stands", () => {
  const mark = { "flightlog.lost": "larger than a line may be", bytes: 17_000_000 };
  expect(lostNote(mark)).toBe("Not kept: larger than a line may be, 17 MB");
  expect(lostNote({ "flightlog.lost": "gone", items: 1 })).toBe("Not kept: gone, 1 item");
  expect([lostNote({ lost: "x" }), lostNote(null), lostNote("x"), lostNote([mark])]).toEqual([null, null, null, null]);
  expect(readMessages([{ role: "user", content: "hi" }, mark], "input").map((m) => m.text)).toEqual([
    "hi",
    "Not kept: larger than a line may be, 17 MB",
  ]);
});
