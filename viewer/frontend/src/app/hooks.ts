/** Small hooks over the browser: delayed flags, media queries, element width, copying. */

import { signal, useSignal, type ReadonlySignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";

/** True once `on` has held for `ms`: a skeleton that never flashes for a quick answer. */
export function useDelayed(on: boolean, ms = 150): boolean {
  const shown = useSignal(false);
  useEffect(() => {
    if (!on) {
      shown.value = false;
      return;
    }
    const timer = window.setTimeout(() => {
      shown.value = true;
    }, ms);
    return () => window.clearTimeout(timer);
  }, [on, ms]);
  return on && shown.value;
}

function media(query: string): ReadonlySignal<boolean> {
  const list = window.matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => {
    matches.value = list.matches;
  });
  return matches;
}

/** Rows of two lines, details below: a phone, or a window at its narrowest. */
export const narrow = media("(max-width: 480px)");
/** The detail panel goes under the waterfall. */
export const stacked = media("(max-width: 820px)");

export function useWidth(ref: RefObject<HTMLElement | null>): number {
  const width = useSignal(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = (): void => {
      width.value = element.clientWidth;
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width.value;
}

/** Gives a grid the focus when a page opens, never taking it from what the reader is using. */
export function focusUnlessUsed(element: HTMLElement | null): void {
  const active = document.activeElement;
  if (active === null || active === document.body) element?.focus({ preventScroll: true });
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
