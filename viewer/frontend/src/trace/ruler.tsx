/** The axis above the bars: ticks, a needle under the pointer, drag to zoom. */

import { useSignal } from "@preact/signals";
import { Icon } from "../app/icons.tsx";
import { duration } from "../format.ts";
import { ticks, type Domain } from "./axis.ts";
import type { TraceState } from "./state.ts";

const TICK_PX = 100;
const LEAST_TICK_PX = 54;
const LEAST_DRAG_PX = 5;

export function tickPlaces(domain: Domain, width: number): { x: number; label: string }[] {
  if (width <= 0) return [];
  const scale = width / (domain.to - domain.from);
  const wanted = Math.max(2, Math.min(8, Math.round(width / TICK_PX)));
  return ticks(domain, wanted, Math.max(1, width / LEAST_TICK_PX)).map((tick) => ({ x: (tick.at - domain.from) * scale, label: tick.label }));
}

interface Props {
  state: TraceState;
  width: number;
  gutter: number;
}

export function Ruler({ state, width, gutter }: Props) {
  const domain = state.domain.value;
  const plot = Math.max(1, width - gutter);
  const drag = useSignal<[number, number] | null>(null);
  const zoomed = domain.from !== state.full.value.from || domain.to !== state.full.value.to;
  const timeAt = (x: number): number =>
    domain.from + (Math.max(0, Math.min(plot, x)) / plot) * (domain.to - domain.from);

  const onDown = (event: PointerEvent): void => {
    if (event.button !== 0 || (event.target as Element).closest("button")) return;
    const box = event.currentTarget as HTMLElement;
    const left = box.getBoundingClientRect().left;
    const from = event.clientX - left;
    box.setPointerCapture(event.pointerId);
    box.onpointermove = (move) => {
      drag.value = [from, move.clientX - left];
    };
    box.onpointerup = () => {
      box.onpointermove = null;
      box.onpointerup = null;
      const range = drag.value;
      drag.value = null;
      if (!range || Math.abs(range[1] - range[0]) < LEAST_DRAG_PX) return;
      const [a, b] = range[0] < range[1] ? range : [range[1], range[0]];
      state.zoom({ from: timeAt(a), to: timeAt(b) });
    };
  };
  const box = drag.value;
  return (
    <div class="ruler" onPointerDown={onDown} title="Drag to zoom">
      {tickPlaces(domain, plot).map((tick) => (
        <span class="tick" key={tick.label} style={{ left: `${tick.x.toFixed(1)}px` }}>
          {tick.label}
        </span>
      ))}
      {box && (
        <i
          class="drag"
          style={{ left: `${Math.min(...box)}px`, width: `${Math.abs(box[1] - box[0])}px` }}
        />
      )}
      {zoomed && (
        <button type="button" class="unzoom" onClick={() => state.zoom(null)} title="Show all (0)">
          {duration((domain.to - domain.from) / 1000)}
          <Icon name="close" label="Show all" />
        </button>
      )}
    </div>
  );
}
