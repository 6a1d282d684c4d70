import { expect, test } from "vitest";
import { scrollToShow, windowOf } from "../src/app/virtual.ts";
import { appendPage, durationShare, mergeHead, patch } from "../src/list/merge.ts";
import { countLabel, presetOf } from "../src/list/presets.ts";
import { trace } from "./skeletons.ts";

const ids = (rows: { trace_id: string }[]): string[] => rows.map((row) => row.trace_id);
const page = (traces: ReturnType<typeof trace>[], next: string | null = null) => ({ traces, next_cursor: next });

test("new traces come in above, in the server's order", () => {
  const rows = [trace("c", 30), trace("a", 10)];
  const merged = mergeHead(rows, page([trace("e", 40), trace("d", 40), trace("c", 30), trace("b", 20)]), false);
  expect(ids(merged.rows)).toEqual(["e", "d", "c", "b", "a"]);
  expect(merged.held).toEqual([]);
});

test("while the reader is busy new traces wait, and known ones change where they stand", () => {
  const rows = [trace("b", 20, { status: "running" }), trace("a", 10)];
  const merged = mergeHead(rows, page([trace("c", 30), trace("b", 20, { status: "ok" })]), true);
  expect(ids(merged.rows)).toEqual(["b", "a"]);
  expect(merged.rows[0]?.status).toBe("ok");
  expect(ids(merged.held)).toEqual(["c"]);
});

test("more news than a page holds is a gap, unless there is no more", () => {
  const rows = [trace("a", 10)];
  expect(mergeHead(rows, page([trace("z", 90)], "cursor"), false).gap).toBe(true);
  expect(mergeHead(rows, page([trace("z", 90)]), false).gap).toBe(false);
  expect(mergeHead([], page([trace("z", 90)], "cursor"), false)).toMatchObject({ gap: false, rows: [{ trace_id: "z" }] });
});

test("nothing new keeps the rows as they are", () => {
  const rows = [trace("b", 20), trace("a", 10)];
  expect(ids(mergeHead(rows, page([rows[0]!]), false).rows)).toEqual(["b", "a"]);
});

test("a further page brings no trace twice", () => {
  expect(ids(appendPage([trace("c", 3), trace("b", 2)], [trace("b", 2), trace("a", 1)]))).toEqual(["c", "b", "a"]);
  expect(patch([trace("a", 1), trace("b", 2)], [trace("b", 2, { name: "new" }), trace("x", 9)]).map((t) => t.name)).toEqual(["a", "new"]);
});

test("duration bars grow with the duration and end at the longest", () => {
  expect(durationShare(100, 100)).toBe(1);
  expect(durationShare(0, 100)).toBe(0);
  expect(durationShare(25, 100)).toBe(0.25);
  expect(durationShare(5, 0)).toBe(0);
});

test("presets are told by their status", () => {
  expect([presetOf(""), presetOf("error"), presetOf("error,blocked")]).toEqual(["all", "errors", null]);
  expect([countLabel(3, false), countLabel(100, true)]).toEqual(["3", "100+"]);
});

test("only rows near the window are drawn", () => {
  expect(windowOf(0, 260, 26, 1000, 2)).toEqual([0, 12]);
  expect(windowOf(2600, 260, 26, 1000, 2)).toEqual([98, 112]);
  expect(windowOf(25_900, 260, 26, 1000, 2)).toEqual([994, 1000]);
  expect(windowOf(9999, 260, 26, 0)).toEqual([0, 0]);
  expect(windowOf(9999, 260, 26, 3)).toEqual([3, 3]);
});

test("a row is brought into view with the least movement", () => {
  expect(scrollToShow(5, 0, 260, 26)).toBe(0);
  expect(scrollToShow(20, 0, 260, 26)).toBe(286);
  expect(scrollToShow(2, 200, 260, 26)).toBe(52);
});
