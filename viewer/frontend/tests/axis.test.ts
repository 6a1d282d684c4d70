import { expect, test } from "vitest";
import { around, MIN_BAR, placeBar, placeLabel, runningEnd, tickLabel, ticks, zoomAt } from "../src/trace/axis.ts";

const labels = (to: number, wanted = 5, from = 0): string[] => ticks({ from, to }, wanted).map((t) => t.label);

test("ticks stand on round values", () => {
  expect(labels(3_085_000, 3)).toEqual(["0", "1s", "2s", "3s"]);
  expect(labels(605_000, 3)).toEqual(["0", "200ms", "400ms", "600ms"]);
  expect(labels(900, 4)).toEqual(["0", "200µs", "400µs", "600µs", "800µs"]);
  expect(labels(431_000_000, 4)).toEqual(["0", "2:00", "4:00", "6:00"]);
  expect(labels(4 * 3600e6, 4)).toEqual(["0", "1:00:00", "2:00:00", "3:00:00", "4:00:00"]);
});

test("a part of the axis has ticks inside it only", () => {
  expect(labels(605_000, 5, 386_920)).toEqual(["400ms", "450ms", "500ms", "550ms", "600ms"]);
});

test.each([1, 17, 333, 999, 12_345, 1e6, 59e6, 61e6, 3e9, 9e10, 4e12])(
  "an axis of %s µs has a readable number of ticks",
  (to) => {
    const found = ticks({ from: 0, to }, 5);
    expect(found.length).toBeGreaterThanOrEqual(1);
    expect(found.length).toBeLessThanOrEqual(13);
    expect(new Set(found.map((t) => t.label)).size).toBe(found.length);
  },
);

test("never more ticks than there is room for", () => {
  for (const to of [605_000, 8_720_000, 431_000_000]) {
    expect(ticks({ from: 0, to }, 2, 2).length).toBeLessThanOrEqual(3);
  }
});

test("an axis without length has one tick", () => {
  expect(ticks({ from: 5, to: 5 })).toHaveLength(1);
});

test("labels have the digits that tell them apart", () => {
  expect([tickLabel(1_500_000, 500_000), tickLabel(1_250_000, 50_000), tickLabel(2e6, 1e6)]).toEqual(["1.5s", "1.25s", "2s"]);
});

test("a bar lies where its times say, and is never too thin to see", () => {
  const domain = { from: 0, to: 1000 };
  expect(placeBar(250, 750, domain, 400)).toEqual({ left: 100, width: 200, cutLeft: false, cutRight: false });
  expect(placeBar(500, 500, domain, 400)?.width).toBe(MIN_BAR);
  expect(placeBar(1000, 1000, domain, 400)).toMatchObject({ left: 400 - MIN_BAR, width: MIN_BAR });
});

test("a zoomed axis cuts bars at its edges and leaves others out", () => {
  const domain = { from: 100, to: 200 };
  expect(placeBar(0, 300, domain, 50)).toEqual({ left: 0, width: 50, cutLeft: true, cutRight: true });
  expect(placeBar(0, 99, domain, 50)).toBeNull();
  expect(placeBar(201, 300, domain, 50)).toBeNull();
  expect(placeBar(0, 1, { from: 0, to: 0 }, 50)).toBeNull();
});

test("a label goes right of its bar, left near the edge, inside when neither has room", () => {
  const bar = (left: number, width: number) => ({ left, width, cutLeft: false, cutRight: false });
  expect(placeLabel(bar(10, 50), 40, 200)).toEqual({ side: "right", x: 65 });
  expect(placeLabel(bar(150, 48), 40, 200)).toEqual({ side: "left", x: 105 });
  expect(placeLabel(bar(2, 196), 40, 200)).toEqual({ side: "inside", x: 153 });
});

test("a running axis ends beyond now, on a value that holds for a while", () => {
  let last = 0;
  let changes = 0;
  for (let now = 1e6; now < 9e6; now += 1e5) {
    const end = runningEnd(now);
    expect(end).toBeGreaterThan(now);
    if (end !== last) changes += 1;
    last = end;
  }
  expect(changes).toBeLessThan(40);
  expect(runningEnd(0)).toBeGreaterThan(0);
});

test("zooming keeps the pointed instant in place and stays on the axis", () => {
  const next = zoomAt({ from: 0, to: 1000 }, 250, 0.5, 1000);
  expect(next).toEqual({ from: 125, to: 625 });
  expect(zoomAt(next, 250, 8, 1000)).toEqual({ from: 0, to: 1000 });
  expect(zoomAt({ from: 0, to: 120 }, 60, 0.1, 1000).to).toBeGreaterThan(60);
});

test("a span is zoomed to with some air", () => {
  expect(around(1000, 2000, 5000)).toEqual({ from: 920, to: 2080 });
  expect(around(0, 10, 40)).toEqual({ from: 0, to: 40 });
});
