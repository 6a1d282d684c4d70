/** A recorded error: type, message, stack, what caused it. */

import type { SpanError, SpanJson } from "../api/types.ts";
import { Icon } from "../app/icons.tsx";
import { JsonTree } from "./json-tree.tsx";
import { isDict } from "./messages.ts";
import { TextBlock } from "./text-block.tsx";

const KNOWN = new Set(["type", "message", "stack", "traceback", "causes"]);

interface Parts {
  type: string | null;
  stack: string | null;
  causes: { type: string; message: string; stack: string | null }[];
  rest: Record<string, unknown>;
}

/** What is in an error's data, by the names a recorded exception has. */
export function errorParts(error: SpanError): Parts {
  const data = error.data ?? {};
  const text = (value: unknown): string | null => (typeof value === "string" && value ? value : null);
  const stack = data.stack ?? data.traceback;
  const causes = Array.isArray(data.causes) ? (data.causes as unknown[]) : [];
  return {
    type: text(data.type),
    stack: Array.isArray(stack) ? stack.join("") : text(stack),
    causes: causes.map((cause) =>
      isDict(cause)
        ? {
            type: text(cause.type) ?? "cause",
            message: text(cause.message) ?? "",
            stack: text(cause.stack) ?? text(cause.traceback),
          }
        : { type: "cause", message: String(cause), stack: null },
    ),
    rest: Object.fromEntries(Object.entries(data).filter(([key]) => !KNOWN.has(key))),
  };
}

/** The short form at the top of a span's first tab. */
export function ErrorCard({ span, stack = false }: { span: SpanJson; stack?: boolean }) {
  if (!span.error) return null;
  const parts = errorParts(span.error);
  return (
    <section class="error-card" data-testid="error-card">
      <h3>
        <Icon name="error" cls="s-error" />
        {parts.type ?? "Error"}
      </h3>
      <TextBlock text={span.error.message} prose copy={false} />
      {Object.keys(parts.rest).length > 0 && <JsonTree value={parts.rest} open={2} />}
      {stack && parts.stack && <Stack text={parts.stack} />}
      {stack && <Causes parts={parts} />}
    </section>
  );
}

function Stack({ text }: { text: string }) {
  return (
    <div class="stack" data-testid="stack">
      <h4>Traceback</h4>
      <TextBlock text={text} />
    </div>
  );
}

function Causes({ parts }: { parts: Parts }) {
  return (
    <>
      {parts.causes.map((cause, i) => (
        <div class="cause-card" key={i}>
          <h4>
            Caused by <b>{cause.type}</b>
          </h4>
          {cause.message && <TextBlock text={cause.message} prose copy={false} />}
          {cause.stack && <TextBlock text={cause.stack} />}
        </div>
      ))}
    </>
  );
}

export function ErrorTab({ span }: { span: SpanJson }) {
  return <ErrorCard span={span} stack />;
}
