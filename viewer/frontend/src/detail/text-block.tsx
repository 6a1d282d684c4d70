/** A text of any length: folded after 40 lines, shown in steps, copied whole. */

import { useSignal } from "@preact/signals";
import { CopyButton } from "../app/parts.tsx";
import { bytes, exact } from "../format.ts";
import { fold, tail, withoutMarks } from "./text.ts";

/** Of a long stack, so that what caused the error stays in sight below. */
const STACK_LINES = 10;

interface Props {
  text: string;
  /** Prose wraps in the page's font; code keeps its columns. */
  prose?: boolean;
  copy?: boolean;
  /** Shows the end first and no lines of mere marks, as befits a stack; copied whole all the same. */
  tail?: boolean;
}

export function TextBlock({ text, prose = false, copy = true, tail: fromEnd = false }: Props) {
  const steps = useSignal(0);
  const drawn = fromEnd ? withoutMarks(text) : text;
  const end = fromEnd && steps.value === 0 ? tail(drawn, STACK_LINES) : null;
  if (end) {
    return (
      <div class="text code-text">
        <button type="button" class="unfold" onClick={() => (steps.value = 1)}>
          Show {exact(end.hidden)} earlier lines
        </button>
        <pre>{end.shown.replace(/^\n+/, "")}</pre>
      </div>
    );
  }
  const part = fold(drawn, steps.value);
  return (
    <div class={prose ? "text prose" : "text code-text"}>
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
