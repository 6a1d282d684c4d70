/** A text of any length: folded after 40 lines, shown in steps, copied whole. */

import { useSignal } from "@preact/signals";
import { CopyButton } from "../app/parts.tsx";
import { bytes, exact } from "../format.ts";
import { fold, tail } from "./text.ts";

interface Props {
  text: string;
  /** Prose wraps in the page's font; code keeps its columns. */
  prose?: boolean;
  copy?: boolean;
  /** Shows the end first and keeps lines whole, as befits a stack: its marks point upwards. */
  tail?: boolean;
}

export function TextBlock({ text, prose = false, copy = true, tail: fromEnd = false }: Props) {
  const steps = useSignal(0);
  const code = fromEnd ? "text code-text lines" : "text code-text";
  const end = fromEnd && steps.value === 0 ? tail(text) : null;
  if (end) {
    return (
      <div class={code}>
        <button type="button" class="unfold" onClick={() => (steps.value = 1)}>
          Show {exact(end.hidden)} earlier lines
        </button>
        <pre>{end.shown}</pre>
      </div>
    );
  }
  const part = fold(text, steps.value);
  return (
    <div class={prose ? "text prose" : code}>
      <pre>{part.shown}</pre>
      {copy && <CopyButton text={text} label="Copy the text" />}
      {part.folded && (
        <button type="button" class="unfold" onClick={() => (steps.value += 1)}>
          Show more · {exact(part.lines)} lines, {bytes(part.size)}
        </button>
      )}
      {!part.folded && steps.value > 0 && (
        <button type="button" class="unfold" onClick={() => (steps.value = 0)}>
          Show less
        </button>
      )}
    </div>
  );
}
