/** Reads what a model was told and what it answered, whichever API it came from. Pure. */

import { lostNote } from "./lost.ts";

export type MessageKind =
  | "system"
  | "user"
  | "assistant"
  | "tool_call"
  | "tool_result"
  | "reasoning"
  | "other";

export interface Message {
  kind: MessageKind;
  /** The role or item type as it was recorded. */
  label: string;
  text: string;
  /** Present when the content is data rather than prose. */
  json?: unknown;
  name?: string;
  callId?: string;
}

type Dict = Record<string, unknown>;

export function isDict(value: unknown): value is Dict {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function str(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The value of a JSON text that is an object or an array; undefined for any other text. */
export function parseJson(text: string): unknown {
  const start = text.trimStart()[0];
  if (start !== "{" && start !== "[") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const TEXT_KEYS = ["text", "refusal", "transcript"] as const;

/** Text of a message's content: a string, or parts of which those without text are named. */
export function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (content === null || content === undefined) return "";
  if (!Array.isArray(content)) return isDict(content) ? partText(content) : String(content);
  return content.map((part) => (typeof part === "string" ? part : partText(part))).join("\n");
}

function partText(part: unknown): string {
  if (!isDict(part)) return String(part);
  for (const key of TEXT_KEYS) {
    const value = part[key];
    if (typeof value === "string") return value;
  }
  return `[${str(part.type) ?? "part"}]`;
}

function roleKind(role: string): MessageKind {
  if (role === "system" || role === "developer") return "system";
  if (role === "assistant" || role === "model") return "assistant";
  if (role === "tool" || role === "function") return "tool_result";
  return role === "user" ? "user" : "other";
}

function optional(name: unknown, callId: unknown): Pick<Message, "name" | "callId"> {
  const found: Pick<Message, "name" | "callId"> = {};
  if (typeof name === "string") found.name = name;
  if (typeof callId === "string") found.callId = callId;
  return found;
}

function dataMessage(kind: MessageKind, label: string, value: unknown): Message {
  if (typeof value === "string") {
    const json = parseJson(value);
    return json === undefined ? { kind, label, text: value } : { kind, label, text: value, json };
  }
  if (value === null || value === undefined) return { kind, label, text: "" };
  return { kind, label, text: JSON.stringify(value, null, 2), json: value };
}

function toolCall(name: unknown, args: unknown, callId: unknown): Message {
  return { ...dataMessage("tool_call", "tool call", args), ...optional(name, callId) };
}

function toolResult(output: unknown, name: unknown, callId: unknown): Message {
  const value = Array.isArray(output) ? contentText(output) : output;
  return { ...dataMessage("tool_result", "tool result", value), ...optional(name, callId) };
}

function reasoningText(item: Dict): string {
  const summary = contentText(item.summary);
  const content = contentText(item.content);
  const text = [summary, content].filter(Boolean).join("\n");
  return text || (item.encrypted_content ? "[encrypted]" : "[no summary]");
}

/** Items of the Responses API that are not plain messages. */
function fromTyped(item: Dict, type: string): Message[] | null {
  switch (type) {
    case "function_call":
    case "custom_tool_call":
      return [toolCall(item.name, item.arguments ?? item.input, item.call_id)];
    case "function_call_output":
    case "custom_tool_call_output":
      return [toolResult(item.output, item.name, item.call_id)];
    case "reasoning":
      return [{ kind: "reasoning", label: "reasoning", text: reasoningText(item) }];
    case "message":
      return null;
    default:
      if (type.endsWith("_call")) {
        return [{ ...dataMessage("tool_call", type, item), ...optional(item.name ?? type, item.id) }];
      }
      return "role" in item ? null : [dataMessage("other", type, item)];
  }
}

function fromRole(item: Dict, role: string): Message[] {
  const kind = roleKind(role);
  if (kind === "tool_result") {
    return [toolResult(item.content, item.name, item.tool_call_id)];
  }
  const found: Message[] = [];
  const thinking = str(item.reasoning_content) ?? str(item.reasoning);
  if (thinking) found.push({ kind: "reasoning", label: "reasoning", text: thinking });
  const text = contentText(item.content) || str(item.refusal) || "";
  const calls = Array.isArray(item.tool_calls) ? (item.tool_calls as unknown[]) : [];
  if (text || calls.length === 0) {
    const json = kind === "assistant" ? parseJson(text) : undefined;
    found.push(json === undefined ? { kind, label: role, text } : { kind, label: role, text, json });
  }
  for (const call of calls) {
    if (!isDict(call)) continue;
    const fn = isDict(call.function) ? call.function : call;
    found.push(toolCall(fn.name, fn.arguments, call.id));
  }
  return found;
}

function fromItem(item: unknown): Message[] {
  const lost = lostNote(item);
  if (lost !== null) return [{ kind: "other", label: "lost", text: lost }];
  if (typeof item === "string") return [{ kind: "user", label: "user", text: item }];
  if (!isDict(item)) return [dataMessage("other", "item", item)];
  if (Array.isArray(item.choices)) {
    return item.choices.flatMap((choice) => fromItem(isDict(choice) ? (choice.message ?? choice) : choice));
  }
  if (Array.isArray(item.output) && !("call_id" in item)) return item.output.flatMap(fromItem);
  const typed = str(item.type) === undefined ? null : fromTyped(item, item.type as string);
  if (typed !== null) return typed;
  const role = str(item.role);
  return role === undefined ? [dataMessage("other", str(item.type) ?? "item", item)] : fromRole(item, role);
}

/** Messages of a recorded input or output; `side` decides who a bare text is from. */
export function readMessages(value: unknown, side: "input" | "output"): Message[] {
  if (value === null || value === undefined) return [];
  if (typeof value === "string") {
    const kind = side === "input" ? "user" : "assistant";
    const json = side === "output" ? parseJson(value) : undefined;
    const plain: Message = { kind, label: kind, text: value };
    return value === "" ? [] : [json === undefined ? plain : { ...plain, json }];
  }
  const items = Array.isArray(value) ? value : [value];
  const found = items.flatMap(fromItem);
  if (side === "output") {
    for (const message of found) if (message.kind === "user") message.kind = "assistant";
  }
  return found;
}

export interface Conversation {
  /** What an earlier call of the same loop had already seen. */
  earlier: Message[];
  /** What is new to this call, with the tool calls that its results answer. */
  fresh: Message[];
  output: Message[];
}

const BY_MODEL: ReadonlySet<MessageKind> = new Set(["assistant", "tool_call", "reasoning"]);

/**
 * Splits the history from what is new: the last run of items the model itself made, and
 * everything before it, was known already; tool calls stay with the results that follow them.
 */
export function readConversation(instructions: unknown, input: unknown, output: unknown): Conversation {
  const messages = readMessages(input, "input");
  const system = contentText(instructions);
  if (system) messages.unshift({ kind: "system", label: "instructions", text: system });
  nameResults(messages);
  const last = messages.findLastIndex((m) => BY_MODEL.has(m.kind));
  let start = last + 1;
  if (last >= 0 && messages[last]!.kind === "tool_call") {
    start = last;
    while (start > 0 && BY_MODEL.has(messages[start - 1]!.kind)) start -= 1;
  }
  if (start < 2) start = 0;
  return {
    earlier: messages.slice(0, start),
    fresh: messages.slice(start),
    output: readMessages(output, "output"),
  };
}

/** A result carries the id of its call only; the reader wants the tool's name. */
function nameResults(messages: Message[]): void {
  const names = new Map<string, string>();
  for (const message of messages) {
    if (message.callId === undefined) continue;
    if (message.kind === "tool_call" && message.name) names.set(message.callId, message.name);
    const name = names.get(message.callId);
    if (message.kind === "tool_result" && !message.name && name) message.name = name;
  }
}

/** One line that says what a folded message holds. */
export function preview(message: Message, limit = 120): string {
  const text = message.text.replace(/\s+/g, " ").trim();
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}
