/** A tool call: its arguments as a form, its result, the traceback when it failed. */

import type { SpanJson } from "../api/types.ts";
import { CopyButton } from "../app/parts.tsx";
import { ErrorCard } from "./failure.tsx";
import { isDict, parseJson } from "./messages.ts";
import { isEmpty } from "./tabs.ts";
import { Section } from "./section.tsx";
import { valueText } from "./text.ts";
import { Value } from "./value.tsx";

export function CallTab({ span }: { span: SpanJson }) {
  const args = typeof span.input === "string" ? (parseJson(span.input) ?? span.input) : span.input;
  return (
    <>
      <ErrorCard span={span} stack />
      <Section title="Arguments" tools={<CopyButton text={() => valueText(args)} label="Copy the arguments" />}>
        {isDict(args) && !isEmpty(args) ? <Fields values={args} /> : <NoneOr value={args} none="none" />}
      </Section>
      {(!span.error || !isEmpty(span.output)) && (
        <Section title="Result">
          <NoneOr value={span.output} none={resultText(span)} />
        </Section>
      )}
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

/** Names and values in two columns; long or nested values below their name. */
export function Fields({ values }: { values: Record<string, unknown> }) {
  return (
    <dl class="fields" data-testid="fields">
      {Object.entries(values).map(([key, value]) => {
        const wide = typeof value === "object" ? !isEmpty(value) : valueText(value).length > 60;
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

function Short({ value }: { value: unknown }) {
  if (value === null || value === undefined) return <span class="json-null">null</span>;
  if (typeof value === "string") return <span>{value === "" ? "(empty)" : value}</span>;
  return <span class={`json-${typeof value}`}>{JSON.stringify(value)}</span>;
}
