import { expect, test } from "vitest";
import { searchPath } from "../src/api/client.ts";
import { formatUrl, listRoute, parseUrl, traceUrl, type Route } from "../src/app/url.ts";

function again(route: Route): Route {
  const url = new URL(formatUrl(route), "http://localhost");
  return parseUrl(url.pathname, url.search);
}

test.each<Route>([
  listRoute(),
  listRoute({ status: "error", q: "a b&c=ü", group: "conv/42" }),
  { page: "trace", traceId: "trace_1", span: null, tab: null, zoom: null },
  { page: "trace", traceId: "a/b %", span: "span_2", tab: "raw", zoom: [10, 250] },
  { page: "unknown", path: "/stats" },
])("an address brings its state back: %o", (route) => {
  expect(again(route)).toEqual(route);
});

test("an empty state has the shortest address", () => {
  expect(formatUrl(listRoute())).toBe("/");
  expect(traceUrl("t1")).toBe("/t/t1");
  expect(traceUrl("t1", "s1")).toBe("/t/t1?span=s1");
});

test.each(["z=5", "z=9-3", "z=a-b", "z=-1-5", "z="])("a zoom that makes no sense is none: %s", (search) => {
  expect(parseUrl("/t/x", `?${search}`)).toMatchObject({ page: "trace", zoom: null });
});

test("a broken escape is taken as it stands", () => {
  expect(parseUrl("/t/%E0%A4%A", "")).toMatchObject({ page: "trace", traceId: "%E0%A4%A" });
});

test("a search names only what it narrows", () => {
  expect(searchPath({ status: "", q: "", group: "" })).toBe("/traces?limit=100");
  expect(searchPath({ status: "error", q: "a&b", group: "g", limit: 5, cursor: "c" })).toBe(
    "/traces?status=error&q=a%26b&group=g&limit=5&cursor=c",
  );
});
