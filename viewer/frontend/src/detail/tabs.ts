/** Which tabs a span has, and which of them is shown. Pure. */

import { kindOf } from "../family.ts";
import type { SpanJson } from "../api/types.ts";

export interface Tab {
  id: string;
  label: string;
}

export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** The first tab says what the span is about, in the form its type deserves. */
function firstTab(type: string): Tab {
  if (type === "generation" || type === "response") return { id: "conversation", label: "Conversation" };
  if (type === "function") return { id: "call", label: "Call" };
  return { id: "overview", label: "Overview" };
}

export function tabsOf(span: SpanJson): Tab[] {
  const tabs = [firstTab(span.type)];
  const llm = kindOf(span.type).family === "llm";
  if (!isEmpty(span.input) || llm) tabs.push({ id: "input", label: "Input" });
  if (!isEmpty(span.output) || llm) tabs.push({ id: "output", label: "Output" });
  if (!isEmpty(span.usage)) tabs.push({ id: "usage", label: "Usage" });
  if (span.error) tabs.push({ id: "error", label: "Error" });
  if (!isEmpty(span.data) || !isEmpty(span.attributes)) tabs.push({ id: "config", label: "Config" });
  tabs.push({ id: "raw", label: "Raw JSON" });
  return tabs;
}

/** The asked tab when this span has it, else its first. */
export function shownTab(tabs: Tab[], asked: string | null): string {
  return tabs.find((tab) => tab.id === asked)?.id ?? tabs[0]!.id;
}
