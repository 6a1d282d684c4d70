/** Any recorded value: data as a tree, text as text. */

import type { SpanJson } from "../api/types.ts";
import { CopyButton } from "../app/parts.tsx";
import { JsonTree } from "./json-tree.tsx";
import { lostNote } from "./lost.ts";
import { parseJson } from "./messages.ts";
import { isEmpty } from "./tabs.ts";
import { TextBlock } from "./text-block.tsx";
import { valueText } from "./text.ts";

export function Value({ value, open }: { value: unknown; open?: number }) {
  const lost = lostNote(value);
  if (lost !== null) return <p class="lost-value">{lost}</p>;
  const data = typeof value === "string" ? parseJson(value) : value;
  if (data !== null && typeof data === "object") {
    return (
      <div class="value">
        <JsonTree value={data} {...(open === undefined ? {} : { open })} />
        <CopyButton text={() => valueText(value)} label="Copy the value" />
      </div>
    );
  }
  return <TextBlock text={valueText(value)} prose={typeof value === "string" && !looksLikeCode(value)} />;
}

/** Columns matter in it: indented lines, a table, a stack. */
export function looksLikeCode(text: string): boolean {
  return /^(\s{2,}\S|\t|\||Traceback )/m.test(text);
}

export function ValueTab({ value, none }: { value: unknown; none: string }) {
  if (isEmpty(value)) return <p class="muted none">{none}</p>;
  const members = typeof value === "object" && value !== null ? Object.keys(value).length : 0;
  return <Value value={value} open={members > 20 ? 1 : 3} />;
}

export function RawTab({ span }: { span: SpanJson }) {
  return (
    <>
      <div class="raw-tools">
        <CopyButton text={() => JSON.stringify(span, null, 2)} label="Copy as JSON" caption="Copy JSON" />
        <code class="muted">{span.span_id}</code>
        <CopyButton text={span.span_id} label="Copy the span id" />
      </div>
      <JsonTree value={span} open={1} />
    </>
  );
}
