/** Tokens of one model call, and how fast they came. */

import type { SpanJson } from "../api/types.ts";
import { isModelCall } from "../family.ts";
import { dollars } from "../format.ts";
import { noPrice } from "../trace/facts.ts";
import { JsonTree } from "./json-tree.tsx";
import { Section } from "./section.tsx";
import { usageRows } from "./usage-rows.ts";

function CostRow({ span }: { span: SpanJson }) {
  return (
    <tr>
      <th scope="row">Cost</th>
      <td class="num" data-testid="cost">
        {dollars(span.cost_usd)}
      </td>
      <td class="muted">{span.cost_usd === null ? noPrice([span.model]) : "by the price table"}</td>
    </tr>
  );
}

export function UsageTab({ span }: { span: SpanJson }) {
  const usage = span.usage ?? {};
  return (
    <>
      <table class="usage">
        <tbody>
          {usageRows(usage, span.duration_ms).map((row) => (
            <tr key={row.label} class={row.inner ? "inner" : undefined}>
              <th scope="row">{row.label}</th>
              <td class="num">{row.value}</td>
              <td class="muted">{row.note ?? ""}</td>
            </tr>
          ))}
          {isModelCall(span.type) && <CostRow span={span} />}
        </tbody>
      </table>
      <Section title="As reported">
        <JsonTree value={usage} open={2} />
      </Section>
    </>
  );
}
