/** Fixed-height virtual rows: which of them are near the window, and how to bring one into it. */

import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { RefObject } from "preact";

/** Rows to draw for a scroll position. Pure. */
export function windowOf(
  top: number,
  height: number,
  rowHeight: number,
  count: number,
  overscan = 6,
): [number, number] {
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + overscan);
  return [Math.min(first, Math.max(0, count)), Math.max(last, 0)];
}

/** The scroll position that shows `row` with the least movement. Pure. */
export function scrollToShow(row: number, top: number, height: number, rowHeight: number): number {
  const start = row * rowHeight;
  if (start < top) return start;
  if (start + rowHeight > top + height) return start + rowHeight - height;
  return top;
}

export interface VirtualRows {
  scroller: RefObject<HTMLDivElement | null>;
  range: ReadonlySignal<[number, number]>;
  /** Rows that fit, for PageUp and PageDown. */
  page: () => number;
  show: (row: number, centre?: boolean) => void;
  top: () => number;
}

interface Options {
  count: number;
  rowHeight: number;
  /** Height of what sticks to the top of the scroller. */
  head: number;
  onScroll?: (top: number, bottomGap: number) => void;
}

export function useVirtualRows(options: Options): VirtualRows {
  const scroller = useRef<HTMLDivElement>(null);
  const latest = useRef(options);
  latest.current = options;
  const range = useMemo(() => signal<[number, number]>([0, 60]), []);

  const measure = useMemo(
    () => () => {
      const box = scroller.current;
      if (!box) return;
      const { count, rowHeight, head } = latest.current;
      const next = windowOf(box.scrollTop, box.clientHeight - head, rowHeight, count);
      const now = range.peek();
      if (now[0] !== next[0] || now[1] !== next[1]) range.value = next;
    },
    [],
  );

  useLayoutEffect(measure, [options.count, options.rowHeight]);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const onScroll = (): void => {
      measure();
      latest.current.onScroll?.(box.scrollTop, box.scrollHeight - box.scrollTop - box.clientHeight);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    box.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", onScroll);
    };
  }, []);

  return useMemo(() => {
    const view = (): number => (scroller.current?.clientHeight ?? 600) - latest.current.head;
    return {
      scroller,
      range,
      page: () => Math.max(1, Math.floor(view() / latest.current.rowHeight) - 1),
      top: () => scroller.current?.scrollTop ?? 0,
      show(row: number, centre = false) {
        const box = scroller.current;
        if (!box) return;
        const { rowHeight } = latest.current;
        const top = scrollToShow(row, box.scrollTop, view(), rowHeight);
        if (top === box.scrollTop) return;
        box.scrollTop = centre ? Math.max(0, row * rowHeight - view() / 2) : top;
        measure();
      },
    };
  }, []);
}
