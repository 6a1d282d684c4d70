/**
 * The one connection that says which traces changed.
 *
 * States: `connecting` until the first answer, `live`, `offline` while the server does not answer.
 * After an outage listeners get an empty list of ids, which means "anything may have changed".
 */

import { effect, signal } from "@preact/signals";

export type LiveState = "connecting" | "live" | "offline";
export type Listener = (traceIds: ReadonlySet<string> | null) => void;

export const liveState = signal<LiveState>("connecting");
export const paused = signal(false);

const RETRY_MS = [400, 1000, 2000, 4000];
/** A hidden tab gives its connection back: browsers allow six a host. */
const HIDDEN_MS = 10_000;

const listeners = new Set<Listener>();
let source: EventSource | null = null;
let failures = 0;
let missed = false;
let retryTimer: number | undefined;
let hiddenTimer: number | undefined;

export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(ids: ReadonlySet<string> | null): void {
  if (paused.value) {
    missed = true;
    return;
  }
  for (const listener of listeners) listener(ids);
}

function opened(): void {
  const outage = liveState.value === "offline" || missed;
  failures = 0;
  liveState.value = "live";
  if (outage) {
    missed = false;
    tell(null);
  }
}

function connect(): void {
  source?.close();
  window.clearTimeout(retryTimer);
  const next = new EventSource("/api/v1/events");
  source = next;
  next.onopen = opened;
  next.addEventListener("change", (event) => {
    const data = JSON.parse((event as MessageEvent<string>).data) as { trace_ids: string[] };
    tell(new Set(data.trace_ids));
  });
  next.onerror = () => {
    next.close();
    if (source !== next) return;
    source = null;
    failures += 1;
    missed = true;
    // One failure may be a restart; two are an outage worth telling.
    if (failures > 1) liveState.value = "offline";
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 4000;
    retryTimer = window.setTimeout(connect, wait);
  };
}

function disconnect(): void {
  source?.close();
  source = null;
  window.clearTimeout(retryTimer);
  missed = true;
}

/** Called by whoever saw a request go unanswered, so that the bar does not wait for the stream. */
export function noteUnreachable(): void {
  if (liveState.value === "offline") return;
  liveState.value = "offline";
  missed = true;
  if (source !== null) {
    failures = Math.max(failures, 1);
    connect();
  }
}

export function startLive(): void {
  connect();
  effect(() => {
    if (!paused.value && missed && liveState.peek() === "live") {
      missed = false;
      tell(null);
    }
  });
  document.addEventListener("visibilitychange", () => {
    window.clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = window.setTimeout(disconnect, HIDDEN_MS);
    else if (source === null) connect();
  });
}
