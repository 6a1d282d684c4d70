/** A tool call: its arguments as a form, its result, the traceback when it failed. */

import type { SpanJson } from "../api/types.ts";
import { CopyButton } from "../app/parts.tsx";
import { ErrorCard, Trail } from "./failure.tsx";
import { Fields } from "./fields.tsx";
import { lostNote } from "./lost.ts";
import { isDict, parseJson } from "./messages.ts";
import { isEmpty } from "./tabs.ts";
import { Section } from "./section.tsx";
import { valueText } from "./text.ts";
import { Value } from "./value.tsx";

export function CallTab({ span }: { span: SpanJson }) {
  const args = typeof span.input === "string" ? (parseJson(span.input) ?? span.input) : span.input;
  return (
    <>
      <ErrorCard span={span} />
      <Section title="Arguments" tools={<CopyButton text={() => valueText(args)} label="Copy the arguments" />}>
        {isDict(args) && !isEmpty(args) && lostNote(args) === null ? <Fields values={args} /> : <NoneOr value={args} none="none" />}
      </Section>
      {(!span.error || !isEmpty(span.output)) && (
        <Section title="Result">
          <NoneOr value={span.output} none={resultText(span)} />
        </Section>
      )}
      <Trail span={span} />
    </>
  );
}

function resultText(span: SpanJson): string {
  if (span.status === "running") return "still running";
  if (span.status === "cancelled") return "cancelled before it returned";
  if (span.status === "interrupted") return "its process ended before it returned";
  return "none";
}

function NoneOr({ value, none }: { value: unknown; none: string }) {
  return isEmpty(value) ? <p class="muted none">{none}</p> : <Value value={value} />;
}
