/** A recorded error: type, message, stack, what caused it. */

import type { SpanJson } from "../api/types.ts";
import { StatusIcon } from "../app/icons.tsx";
import { CopyButton } from "../app/parts.tsx";
import { errorParts } from "./error-parts.ts";
import { Fields } from "./fields.tsx";
import { Section } from "./section.tsx";
import { TextBlock } from "./text-block.tsx";

/** What failed, in short: type and message, and what else the error carries. */
export function ErrorCard({ span, stopped = false }: { span: SpanJson; stopped?: boolean }) {
  if (!span.error) return null;
  const parts = errorParts(span.error);
  return (
    <section class={stopped ? "error-card stopped" : "error-card"} data-testid="error-card">
      <h3>
        <StatusIcon status={stopped ? "blocked" : "error"} />
        {parts.type ?? "Error"}
      </h3>
      <TextBlock text={span.error.message} prose copy={false} />
      {Object.keys(parts.rest).length > 0 && <Fields values={parts.rest} />}
    </section>
  );
}

/** Where it failed: the end of the stack first, then what caused it. */
export function Trail({ span }: { span: SpanJson }) {
  if (!span.error) return null;
  const parts = errorParts(span.error);
  return (
    <>
      {parts.stack && (
        <Section title="Traceback" tools={<CopyButton text={parts.stack} label="Copy the traceback" />}>
          <div data-testid="stack">
            <TextBlock text={parts.stack} tail copy={false} />
          </div>
        </Section>
      )}
      {parts.causes.map((cause, i) => (
        <Section title={`Caused by ${cause.type}`} key={i}>
          {cause.message && <TextBlock text={cause.message} prose copy={false} />}
          {cause.stack && <TextBlock text={cause.stack} tail />}
        </Section>
      ))}
    </>
  );
}

export function ErrorTab({ span }: { span: SpanJson }) {
  return (
    <>
      <ErrorCard span={span} />
      <Trail span={span} />
    </>
  );
}
