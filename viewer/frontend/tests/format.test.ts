import { expect, test } from "vitest";
import { bytes, count, dollars, duration, elapsed, exact, fileName, oneLine, plural, relative, shortId } from "../src/format.ts";

test.each([
  [null, "–"],
  [Number.NaN, "–"],
  [0, "0ms"],
  [0.0004, "1µs"],
  [0.25, "250µs"],
  [1, "1ms"],
  [9.94, "9.9ms"],
  [9.96, "10ms"],
  [152.4, "152ms"],
  [999.4, "999ms"],
  [999.6, "1.00s"],
  [3085, "3.08s"],
  [59_994, "59.99s"],
  [59_996, "1m 00s"],
  [431_000, "7m 11s"],
  [3_599_600, "1h 00m"],
  [7_260_000, "2h 01m"],
  [-5, "-5ms"],
])("a duration of %s ms reads %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [null, ""],
  [undefined, ""],
  [0, "$0"],
  [1e-12, "$0"],
  [0.0000123, "$0.000012"],
  [0.000304, "$0.00030"],
  [0.000999, "$0.0010"],
  [0.0123, "$0.012"],
  [0.30000000000000004, "$0.300"],
  [0.9999, "$1.00"],
  [1234.5, "$1,234.50"],
])("a cost of %s reads %s", (usd, text) => {
  expect(dollars(usd)).toBe(text);
});

test("a cost that leaves calls out is marked, and one that leaves all out is none", () => {
  expect([dollars(0.5, true), dollars(null, true)]).toEqual(["$0.500+", ""]);
});

test.each([
  [null, "–"],
  [0, "0"],
  [999, "999"],
  [1000, "1k"],
  [2810, "2.8k"],
  [45_480, "45.5k"],
  [999_499, "999k"],
  [999_500, "1M"],
  [1_430_000, "1.4M"],
])("a count of %s reads %s", (n, text) => {
  expect(count(n)).toBe(text);
});

test("an elapsed time has whole seconds", () => {
  expect(elapsed(8999)).toBe("8s");
  expect(elapsed(-3)).toBe("0s");
  expect(elapsed(65_400)).toBe("1m 05s");
});

test("sizes step by a thousand", () => {
  expect([bytes(0), bytes(999), bytes(1000), bytes(4_120_000), bytes(2_500_000_000)]).toEqual([
    "0 B",
    "999 B",
    "1 kB",
    "4.1 MB",
    "2.5 GB",
  ]);
});

test("ages are told in the largest whole unit", () => {
  const now = 1_000_000e6;
  const ages = [0, 7, 61, 3601, 200_000].map((s) => relative(now - s * 1e6, now));
  expect(ages).toEqual(["just now", "7 s ago", "1 min ago", "1 h ago", "2 d ago"]);
  expect(relative(now + 5e6, now)).toBe("just now");
});

test("small words", () => {
  expect(exact(1234567)).toBe("1,234,567");
  expect([plural(1, "span"), plural(2, "span")]).toEqual(["1 span", "2 spans"]);
  expect([fileName("/a/b.duckdb"), fileName("C:\\x\\y.duckdb"), fileName("")]).toEqual(["b.duckdb", "y.duckdb", ""]);
  expect(oneLine(" a\n  b\tc ")).toBe("a b c");
  expect(shortId("trace_0123456789abcdef0123")).toBe("trace_0123456…0123");
  expect(shortId("short")).toBe("short");
});
