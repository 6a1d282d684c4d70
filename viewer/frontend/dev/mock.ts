/**
 * A stand-in for the server while the page is being built: the REST API over made-up traces, one
 * of which is always running. Development and preview only; nothing of it is shipped.
 *
 * `POST /__mock?mode=normal|empty|broken|slow|gone` changes how it behaves.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";
import type { TraceJson } from "../src/api/types.ts";
import { skeletonOf, type MockTrace } from "./build-trace.ts";
import { bigLoop, billing, blocked, refused, research, support } from "./samples.ts";

const CSP =
  "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const MINUTE = 60e6;
const KEPT_RUNS = 5;

type Mode = "normal" | "empty" | "broken" | "slow" | "gone";

const now = (): number => Date.now() * 1000;
const id = (n: number): string => `trace_${(n * 2654435761).toString(16).padStart(12, "0").slice(-12)}${n.toString(16).padStart(20, "0")}`;

class World {
  mode: Mode = "normal";
  traces = new Map<string, MockTrace>();
  listeners = new Set<ServerResponse>();
  private next = 400;
  private runningId = "";
  private turns = 3;
  private began = 0;

  constructor() {
    const make = [
      (n: number, at: number) => support(id(n), at, `conv-${42 + (n % 3)}`, "Hi, I want a refund for order A-1001, it came late!"),
      (n: number, at: number) => blocked(id(n), at),
      (n: number, at: number) => billing(id(n), at),
      (n: number, at: number) => refused(id(n), at),
      (n: number, at: number) => research(id(n), at, 10),
      (n: number, at: number) => research(id(n), at, 3),
      (n: number, at: number) => support(id(n), at, "conv-43", "Where is my parcel? The tracking page says nothing since Monday."),
    ];
    for (let n = 0; n < 350; n++) this.add(make[n % make.length]!(n, now() - (n + 1) * 2 * MINUTE));
    const big = bigLoop(id(900), now() - 9 * MINUTE);
    const failed = big.spans.find((span) => span.error);
    if (failed) big.row.first_cause = { span_id: failed.span_id, name: failed.name, type: failed.type, message: "division by zero" };
    this.add(big);
    const dead = research(id(901), now() - 25 * MINUTE, 2, true);
    dead.row.status = "interrupted";
    for (const span of dead.spans) if (span.status === "running") span.status = "interrupted";
    this.add(dead);
    this.startRun();
    setInterval(() => this.step(), 1500).unref();
  }

  private add(trace: MockTrace): void {
    this.traces.set(trace.row.trace_id, trace);
  }

  startRun(): void {
    this.runningId = id(this.next++);
    // A mock left running over lunch should not fill the list with its own runs.
    this.traces.delete(id(this.next - KEPT_RUNS));
    this.turns = 1;
    this.began = now();
    this.add(research(this.runningId, this.began, 1, true));
    this.tell([this.runningId]);
  }

  /** The running trace takes a turn; after eight it ends and another one starts. */
  step(): void {
    this.turns += 1;
    if (this.turns > 8) {
      this.add(research(this.runningId, this.began, 8));
      this.tell([this.runningId]);
      this.startRun();
      return;
    }
    this.add(research(this.runningId, this.began, this.turns, true));
    this.tell([this.runningId]);
  }

  tell(ids: string[]): void {
    for (const listener of this.listeners) listener.write(`event: change\ndata: ${JSON.stringify({ trace_ids: ids })}\n\n`);
  }

  rows(): TraceJson[] {
    if (this.mode === "empty") return [];
    const order = (a: TraceJson, b: TraceJson): number => b.start_us - a.start_us || (a.trace_id < b.trace_id ? 1 : -1);
    return [...this.traces.values()].map((trace) => trace.row).sort(order);
  }
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" });
  response.end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, code: string, detail: string, hint?: string): void {
  json(response, { type: "about:blank", title: detail, status, detail, code, hint }, status);
}

function matches(row: TraceJson, params: URLSearchParams): boolean {
  const status = params.get("status");
  if (status && !status.split(",").includes(row.status)) return false;
  const group = params.get("group");
  if (group && row.group_id !== group) return false;
  const q = params.get("q")?.toLowerCase();
  if (!q) return true;
  const text = [row.name, row.trace_id, row.input, row.output, row.first_cause?.message, row.first_cause?.name];
  return text.some((part) => part?.toLowerCase().includes(q));
}

function listTraces(world: World, params: URLSearchParams, response: ServerResponse): void {
  const found = world.rows().filter((row) => matches(row, params));
  const limit = Number(params.get("limit") ?? 100);
  const cursor = params.get("cursor");
  const from = cursor === null ? 0 : found.findIndex((row) => row.trace_id === cursor) + 1;
  const page = found.slice(from, from + limit);
  const more = from + limit < found.length;
  json(response, { traces: page, next_cursor: more ? page[page.length - 1]!.trace_id : null });
}

function events(world: World, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": open\n\n");
  world.listeners.add(response);
  request.on("close", () => world.listeners.delete(response));
}

function oneTrace(world: World, parts: string[], response: ServerResponse): void {
  const asked = parts[1] === "last" ? world.rows()[0]?.trace_id : parts[1];
  const trace = world.traces.get(asked ?? "");
  if (!trace) {
    problem(response, 404, "not_found", `No trace has the id '${parts[1]}'.`, "flightlog list shows the traces of this store.");
    return;
  }
  if (parts.length === 2) return json(response, trace.row);
  if (parts.length === 3) return json(response, skeletonOf(trace, now()));
  const span = trace.spans.find((each) => each.span_id === parts[3]);
  if (span) json(response, span);
  else problem(response, 404, "not_found", `No span has the id '${parts[3]}'.`);
}

function answer(world: World, url: URL, request: IncomingMessage, response: ServerResponse): void {
  const parts = url.pathname.slice("/api/v1/".length).split("/").map(decodeURIComponent);
  if (world.mode === "gone") {
    response.destroy();
    return;
  }
  if (world.mode === "broken" && parts[0] === "traces") {
    problem(response, 503, "store_error", "The store '/home/me/.flightlog' cannot be read: permission denied.", "Give the user who runs flightlog the right to read it.");
    return;
  }
  if (parts[0] === "health") return json(response, { status: "ok", version: "0.1.0" });
  if (parts[0] === "events") return events(world, request, response);
  if (parts[0] === "meta") {
    const rows = world.rows();
    return json(response, {
      version: "0.1.0",
      store: { path: "/home/me/.local/share/flightlog/traces.duckdb", size_bytes: 4_120_000, schema: 1 },
      counts: { traces: rows.length, spans: rows.reduce((n, row) => n + row.span_count, 0) },
      losses: {},
      now_us: now(),
    });
  }
  if (parts[0] === "traces" && parts.length === 1) return listTraces(world, url.searchParams, response);
  if (parts[0] === "traces") return oneTrace(world, parts, response);
  problem(response, 404, "not_found", "No such route.");
}

type Next = () => void;

export function mockApi(): Plugin {
  let world: World | null = null;
  const handle = (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    world ??= new World();
    const here = world;
    const url = new URL(request.url ?? "/", "http://localhost");
    if (url.pathname === "/__mock") {
      here.mode = (url.searchParams.get("mode") ?? "normal") as Mode;
      if (here.mode === "gone") for (const listener of here.listeners) listener.destroy();
      if (url.searchParams.has("new")) here.startRun();
      json(response, { mode: here.mode });
    } else if (url.pathname.startsWith("/api/v1/")) {
      const wait = here.mode === "slow" && !url.pathname.endsWith("/events") ? 2500 : 0;
      setTimeout(() => answer(here, url, request, response), wait);
    } else next();
  };
  const withCsp = (_: IncomingMessage, response: ServerResponse, next: Next): void => {
    response.setHeader("content-security-policy", CSP);
    next();
  };
  return {
    name: "mock-api",
    configureServer(server) {
      server.middlewares.use(handle);
    },
    configurePreviewServer(server) {
      server.middlewares.use(withCsp);
      server.middlewares.use(handle);
    },
  };
}
