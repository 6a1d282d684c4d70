/** A divider that is dragged, or moved with the arrow keys. Reports a position, keeps none. */

interface Props {
  cls: string;
  label: string;
  value: number;
  /** Distance from the parent's left edge (or top edge when it lies flat). */
  onMove: (position: number) => void;
  flat?: boolean;
}

const STEP = 24;

export function Splitter({ cls, label, value, onMove, flat = false }: Props) {
  const onDown = (event: PointerEvent): void => {
    const handle = event.currentTarget as HTMLElement;
    const box = handle.parentElement?.getBoundingClientRect();
    if (!box || event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
    handle.onpointermove = (move) => {
      onMove(flat ? move.clientY - box.top : move.clientX - box.left);
    };
    handle.onpointerup = () => {
      handle.onpointermove = null;
      handle.onpointerup = null;
    };
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const [less, more] = flat ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
    if (event.key !== less && event.key !== more) return;
    event.preventDefault();
    event.stopPropagation();
    onMove(value + (event.key === more ? STEP : -STEP));
  };
  return (
    <div
      class={`splitter ${cls}${flat ? " flat" : ""}`}
      role="separator"
      aria-orientation={flat ? "horizontal" : "vertical"}
      aria-label={label}
      aria-valuenow={Math.round(value)}
      tabIndex={0}
      data-own-arrows
      onPointerDown={onDown}
      onKeyDown={onKeyDown}
    />
  );
}
