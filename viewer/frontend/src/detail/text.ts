/** How much of a long text is shown at first and with every further click. Pure. */

export const FOLD_LINES = 40;
export const FOLD_CHARS = 8_000;
const STEP_LINES = 2_000;
const STEP_CHARS = 200_000;

export interface Fold {
  shown: string;
  folded: boolean;
  lines: number;
  size: number;
}

/** The part of `text` shown after `steps` clicks on "show more"; whole lines where possible. */
export function fold(text: string, steps: number): Fold {
  const maxLines = steps === 0 ? FOLD_LINES : steps * STEP_LINES;
  const maxChars = steps === 0 ? FOLD_CHARS : steps * STEP_CHARS;
  let at = 0;
  let seen = 0;
  while (seen < maxLines && at < text.length) {
    const next = text.indexOf("\n", at);
    if (next < 0) {
      at = text.length;
      break;
    }
    at = next + 1;
    seen += 1;
  }
  at = Math.min(at, maxChars);
  const folded = at < text.length;
  return {
    shown: folded ? text.slice(0, at).replace(/\n$/, "") : text,
    folded,
    lines: folded ? countLines(text) : seen + 1,
    size: text.length,
  };
}

/** The last lines of a stack, which say most; null when it is short enough to be shown whole. */
export function tail(text: string, lines = 16): { shown: string; hidden: number } | null {
  const total = countLines(text);
  if (total <= lines + 4) return null;
  let at = text.length;
  for (let i = 0; i < lines; i++) at = text.lastIndexOf("\n", at - 1);
  return { shown: text.slice(at + 1), hidden: total - lines };
}

/**
 * A stack without the lines that underline a part of the line above: they point elsewhere once
 * long lines wrap, and push frames out of sight.
 */
export function withoutMarks(stack: string): string {
  return stack.replace(/^ *[~^][ ~^]*\n/gm, "");
}

export function countLines(text: string): number {
  let lines = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}

/** Readable text of any recorded value: prose as it is, data indented. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined) return "";
  return JSON.stringify(value, null, 2);
}
