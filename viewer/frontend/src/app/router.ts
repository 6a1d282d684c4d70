/** The current route as a signal over the History API. Going somewhere pushes, adjusting replaces. */

import { signal } from "@preact/signals";
import { formatUrl, parseUrl, type Route, type TraceRoute } from "./url.ts";

export const route = signal<Route>(parseUrl(location.pathname, location.search));

/** How many pages of ours lie behind this one, so that Esc can go back instead of away. */
function depth(): number {
  const state = history.state as { depth?: number } | null;
  return state?.depth ?? 0;
}

export function go(next: Route): void {
  history.pushState({ depth: depth() + 1 }, "", formatUrl(next));
  route.value = next;
}

export function adjust(next: Route): void {
  if (formatUrl(next) === location.pathname + location.search) return;
  history.replaceState({ depth: depth() }, "", formatUrl(next));
  route.value = next;
}

/** Replaces part of the trace page's state; nothing happens on another page. */
export function adjustTrace(change: Partial<TraceRoute>): void {
  const now = route.peek();
  if (now.page === "trace") adjust({ ...now, ...change });
}

/** Back to where we came from, or to `fallback` when this page was opened directly. */
export function back(fallback: Route): void {
  if (depth() > 0) history.back();
  else go(fallback);
}

/** Follows a plain left click on one of our own links without loading the page again. */
function onClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.("a");
  if (!link || link.target || link.origin !== location.origin || link.hasAttribute("download")) return;
  event.preventDefault();
  go(parseUrl(link.pathname, link.search));
}

export function startRouter(): void {
  window.addEventListener("popstate", () => {
    route.value = parseUrl(location.pathname, location.search);
  });
  document.addEventListener("click", onClick);
}
