/** How a span was set up: model settings, tools offered, the rest of its data, its attributes. */

import type { SpanJson } from "../api/types.ts";
import { Fields } from "./fields.tsx";
import { isDict } from "./messages.ts";
import { Section } from "./section.tsx";
import { isEmpty } from "./tabs.ts";
import { Value } from "./value.tsx";

const OWN_PLACE = new Set(["usage", "model_config", "tools"]);

export function ConfigTab({ span }: { span: SpanJson }) {
  const { model_config: settings, tools } = span.data;
  const rest = Object.fromEntries(
    Object.entries(span.data).filter(([key, value]) => !OWN_PLACE.has(key) && !isEmpty(value)),
  );
  return (
    <>
      {isDict(settings) && !isEmpty(settings) && (
        <Section title="Model settings">
          <Fields values={withoutNull(settings)} />
        </Section>
      )}
      {!isEmpty(tools) && (
        <Section title="Tools offered">
          <Value value={byName(tools)} open={1} />
        </Section>
      )}
      {!isEmpty(rest) && (
        <Section title="Data">
          <Fields values={rest} />
        </Section>
      )}
      {!isEmpty(span.attributes) && (
        <Section title="Attributes">
          <Fields values={span.attributes} />
        </Section>
      )}
    </>
  );
}

/** Tools under their names instead of numbers, where they have one. */
function byName(tools: unknown): unknown {
  if (!Array.isArray(tools)) return tools;
  const named = new Map<string, unknown>();
  for (const tool of tools as unknown[]) {
    const inner = isDict(tool) && isDict(tool.function) ? tool.function : tool;
    const name = isDict(inner) ? (inner.name ?? inner.type) : undefined;
    if (typeof name !== "string" || named.has(name)) return tools;
    named.set(name, tool);
  }
  return Object.fromEntries(named);
}

/** Unset settings say nothing. */
function withoutNull(values: Record<string, unknown>): Record<string, unknown> {
  const set = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(set);
}
