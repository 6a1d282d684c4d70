/** The selected span's payload: read when it is selected, again when it ends, kept when ended. */

import { signal } from "@preact/signals";
import { api, ApiError, isAbort } from "../api/client.ts";
import { noteUnreachable } from "../api/live.ts";
import type { SpanJson } from "../api/types.ts";

export const payload = signal<SpanJson | null>(null);
export const payloadFailure = signal<ApiError | null>(null);
export const payloadBusy = signal(false);

const KEEP = 40;
const SETTLE_MS = 40;
const kept = new Map<string, SpanJson>();

let controller: AbortController | null = null;
let timer: number | undefined;
let lastAsk = 0;

function keep(span: SpanJson): void {
  if (span.status === "running") return;
  kept.delete(span.span_id);
  kept.set(span.span_id, span);
  if (kept.size > KEEP) kept.delete(kept.keys().next().value!);
}

async function read(traceId: string, spanId: string): Promise<void> {
  controller = new AbortController();
  try {
    const span = await api.span(traceId, spanId, controller.signal);
    keep(span);
    payload.value = span;
    payloadFailure.value = null;
    payloadBusy.value = false;
  } catch (error) {
    if (isAbort(error)) return;
    const failure = error instanceof ApiError ? error : new ApiError(String(error), -1, "");
    if (failure.unreachable) noteUnreachable();
    payloadFailure.value = failure;
    payloadBusy.value = false;
  }
}

/** Shows a span; walking quickly through rows asks the server only where it stops. */
export function showSpan(traceId: string, spanId: string): void {
  controller?.abort();
  window.clearTimeout(timer);
  const known = kept.get(spanId);
  if (known) {
    payload.value = known;
    payloadFailure.value = null;
    payloadBusy.value = false;
    return;
  }
  payloadBusy.value = true;
  const quick = performance.now() - lastAsk < 150;
  lastAsk = performance.now();
  timer = window.setTimeout(() => void read(traceId, spanId), quick ? SETTLE_MS : 0);
}

export function clearPayload(): void {
  controller?.abort();
  window.clearTimeout(timer);
  payload.value = null;
  payloadFailure.value = null;
}
