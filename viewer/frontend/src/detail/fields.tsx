/** A record as a form: names at the left, values at the right, long values below their name. */

import { lostNote } from "./lost.ts";
import { isEmpty } from "./tabs.ts";
import { valueText } from "./text.ts";
import { Value } from "./value.tsx";

export function Fields({ values }: { values: Record<string, unknown> }) {
  return (
    <dl class="fields" data-testid="fields">
      {Object.entries(values).map(([key, value]) => {
        const wide = isWide(value);
        return (
          <div class={wide ? "wide" : undefined} key={key}>
            <dt>{key}</dt>
            <dd>{wide ? <Value value={value} /> : <Short value={value} />}</dd>
          </div>
        );
      })}
    </dl>
  );
}

const SHORT = 60;

/** Nested or long values get a line of their own; a short list of plain values does not. */
function isWide(value: unknown): boolean {
  if (typeof value !== "object" || isEmpty(value)) return valueText(value).length > SHORT;
  const plain = Array.isArray(value) && value.every((item) => typeof item !== "object");
  return !plain || JSON.stringify(value).length > SHORT;
}

function Short({ value }: { value: unknown }) {
  const lost = lostNote(value);
  if (lost !== null) return <span class="lost-value">{lost}</span>;
  if (value === null || value === undefined) return <span class="json-null">null</span>;
  if (typeof value === "string") return <span>{value === "" ? "(empty)" : value}</span>;
  return <span class={`json-${typeof value}`}>{JSON.stringify(value)}</span>;
}
