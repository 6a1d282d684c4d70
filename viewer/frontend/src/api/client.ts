/** Reads the REST API. Every failure is an `ApiError` that can be shown as it is. */

import type { Meta, Problem, Skeleton, SpanJson, TraceJson, TracePage } from "./types.ts";

const ROOT = "/api/v1";

export class ApiError extends Error {
  /** 0 when no answer came at all. */
  readonly status: number;
  readonly hint: string | null;
  readonly path: string;

  constructor(message: string, status: number, path: string, hint: string | null = null) {
    super(message);
    this.status = status;
    this.path = path;
    this.hint = hint;
  }

  get unreachable(): boolean {
    return this.status === 0;
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(ROOT + path, {
      headers: { accept: "application/json" },
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError("flightlog does not answer", 0, path, "Start it again: flightlog view");
  }
  if (!response.ok) throw await problem(response, path);
  return (await response.json()) as T;
}

async function problem(response: Response, path: string): Promise<ApiError> {
  let body: Partial<Problem> = {};
  try {
    body = (await response.json()) as Partial<Problem>;
  } catch {
    // Not a problem document, so not our server's word.
  }
  if (body.detail) return new ApiError(body.detail, response.status, path, body.hint ?? null);
  const status = `${response.status} ${response.statusText}`.trim();
  const text = `The answer was "${status}" without a reason, so it is not flightlog's own.`;
  const hint = "Something stands between this page and flightlog, a proxy perhaps. Open the address that flightlog view printed.";
  return new ApiError(text, response.status, path, hint);
}

export interface TraceQuery {
  status: string;
  q: string;
  group: string;
  limit?: number;
  cursor?: string | null;
}

/** The query string of a search; empty values are left out. */
export function searchPath(query: TraceQuery): string {
  const params = new URLSearchParams();
  if (query.status) params.set("status", query.status);
  if (query.q) params.set("q", query.q);
  if (query.group) params.set("group", query.group);
  params.set("limit", String(query.limit ?? 100));
  if (query.cursor) params.set("cursor", query.cursor);
  return `/traces?${params}`;
}

const id = encodeURIComponent;

export const api = {
  meta: (signal?: AbortSignal) => get<Meta>("/meta", signal),
  traces: (query: TraceQuery, signal?: AbortSignal) => get<TracePage>(searchPath(query), signal),
  trace: (traceId: string, signal?: AbortSignal) => get<TraceJson>(`/traces/${id(traceId)}`, signal),
  spans: (traceId: string, signal?: AbortSignal) =>
    get<Skeleton>(`/traces/${id(traceId)}/spans`, signal),
  span: (traceId: string, spanId: string, signal?: AbortSignal) =>
    get<SpanJson>(`/traces/${id(traceId)}/spans/${id(spanId)}`, signal),
};
