/** The URL is the state: what an address means, and the address of a state. Pure. */

export interface ListRoute {
  page: "list";
  status: string;
  q: string;
  group: string;
}

export interface TraceRoute {
  page: "trace";
  traceId: string;
  span: string | null;
  tab: string | null;
  /** Part of the time axis shown, in microseconds from the trace's start. */
  zoom: [number, number] | null;
}

export interface UnknownRoute {
  page: "unknown";
  path: string;
}

export type Route = ListRoute | TraceRoute | UnknownRoute;

const ZOOM = /^(\d+)-(\d+)$/;

function readZoom(text: string | null): [number, number] | null {
  const match = ZOOM.exec(text ?? "");
  if (!match) return null;
  const range: [number, number] = [Number(match[1]), Number(match[2])];
  return range[1] > range[0] ? range : null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function parseUrl(path: string, search: string): Route {
  const params = new URLSearchParams(search);
  if (path === "/" || path === "") {
    return {
      page: "list",
      status: params.get("status") ?? "",
      q: params.get("q") ?? "",
      group: params.get("group") ?? "",
    };
  }
  const match = /^\/t\/([^/]+)\/?$/.exec(path);
  if (match?.[1]) {
    return {
      page: "trace",
      traceId: decode(match[1]),
      span: params.get("span"),
      tab: params.get("tab"),
      zoom: readZoom(params.get("z")),
    };
  }
  return { page: "unknown", path };
}

export function formatUrl(route: Route): string {
  const params = new URLSearchParams();
  if (route.page === "list") {
    if (route.status) params.set("status", route.status);
    if (route.q) params.set("q", route.q);
    if (route.group) params.set("group", route.group);
    return withQuery("/", params);
  }
  if (route.page === "trace") {
    if (route.span) params.set("span", route.span);
    if (route.tab) params.set("tab", route.tab);
    if (route.zoom) params.set("z", `${Math.round(route.zoom[0])}-${Math.round(route.zoom[1])}`);
    return withQuery(`/t/${encodeURIComponent(route.traceId)}`, params);
  }
  return route.path;
}

function withQuery(path: string, params: URLSearchParams): string {
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

export function traceUrl(traceId: string, span: string | null = null): string {
  return formatUrl({ page: "trace", traceId, span, tab: null, zoom: null });
}

export function listRoute(change: Partial<ListRoute> = {}): ListRoute {
  return { page: "list", status: "", q: "", group: "", ...change };
}
