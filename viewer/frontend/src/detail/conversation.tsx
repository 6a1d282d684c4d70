/** What a model was told and what it answered, newest part open. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { SpanJson } from "../api/types.ts";
import { Icon } from "../app/icons.tsx";
import { CopyButton } from "../app/parts.tsx";
import { bytes, plural } from "../format.ts";
import type { TraceState } from "../trace/state.ts";
import { toolSpanOf } from "../trace/tree.ts";
import { Fields } from "./fields.tsx";
import { ErrorCard } from "./failure.tsx";
import { isDict, preview, readConversation, type Message, type MessageKind } from "./messages.ts";
import { isEmpty } from "./tabs.ts";
import { TextBlock } from "./text-block.tsx";
import { looksLikeCode, Value } from "./value.tsx";

const ICONS: Record<MessageKind, string> = {
  system: "rules",
  user: "person",
  assistant: "llm",
  tool_call: "tool",
  tool_result: "result",
  reasoning: "thought",
  other: "custom",
};

const WAITING: Record<string, string> = {
  running: "waiting for the model…",
  cancelled: "Cancelled before the model answered.",
  interrupted: "Its process ended before the model answered.",
  error: "The model gave no answer.",
};

const MANY = 60;

export function ConversationTab({ span, state }: { span: SpanJson; state: TraceState }) {
  const talk = useMemo(
    () => readConversation(span.data.instructions, span.input, span.output),
    [span],
  );
  const spans = useMemo(() => callSpans(talk.output, span, state), [talk, span]);
  const earlierOpen = useSignal(false);
  const { earlier, fresh, output } = talk;
  return (
    <div class="conversation" data-testid="conversation">
      <ErrorCard span={span} />
      {earlier.length > 0 && (
        <button
          type="button"
          class="earlier"
          aria-expanded={earlierOpen.value}
          onClick={() => (earlierOpen.value = !earlierOpen.value)}
        >
          <span class={earlierOpen.value ? "twist open" : "twist"}>
            <Icon name="chevron" />
          </span>
          {plural(earlier.length, "earlier message")}
          {!earlierOpen.value && <span class="muted"> · already seen by the model</span>}
        </button>
      )}
      {earlierOpen.value && <Messages list={earlier} folded />}
      <Messages list={fresh} />
      {output.map((message, i) => (
        <MessageCard key={i} message={message} answer spanId={spans[i] ?? null} state={state} />
      ))}
      {output.length === 0 && <p class="muted none">{WAITING[span.status] ?? "No output was recorded."}</p>}
    </div>
  );
}

function Messages({ list, folded = false }: { list: Message[]; folded?: boolean }) {
  const shown = useSignal(MANY);
  const hidden = Math.max(0, list.length - shown.value);
  return (
    <>
      {hidden > 0 && (
        <button type="button" class="unfold" onClick={() => (shown.value += MANY)}>
          Show more · {plural(hidden, "older message")}
        </button>
      )}
      {list.slice(hidden).map((message, i) => (
        <MessageCard key={hidden + i} message={message} folded={folded} />
      ))}
    </>
  );
}

/** For each tool call of the answer, the span that ran it. */
function callSpans(output: Message[], span: SpanJson, state: TraceState): (string | null)[] {
  const tree = state.tree.peek();
  const row = tree?.rowOf.get(span.span_id);
  const seen = new Map<string, number>();
  return output.map((message) => {
    if (message.kind !== "tool_call" || !message.name || !tree || row === undefined) return null;
    const nth = seen.get(message.name) ?? 0;
    seen.set(message.name, nth + 1);
    return toolSpanOf(tree, row, message.name, nth);
  });
}

interface CardProps {
  message: Message;
  folded?: boolean;
  answer?: boolean;
  spanId?: string | null;
  state?: TraceState;
}

function startsFolded(message: Message, folded: boolean): boolean {
  if (message.kind === "reasoning") return true;
  if (message.kind === "system") return folded || message.text.length > 280;
  return folded;
}

function MessageCard({ message, folded = false, answer = false, spanId, state }: CardProps) {
  const open = useSignal(!startsFolded(message, folded));
  const size = message.text.length;
  return (
    <article class={`message m-${message.kind}${answer ? " answer" : ""}`} data-testid="message" data-kind={message.kind}>
      <header>
        <button type="button" class="message-head" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
          <Icon name={ICONS[message.kind]} />
          <b>{message.name ?? message.label}</b>
          {message.name && <span class="muted">{message.label}</span>}
          {answer && message.kind === "assistant" && <span class="muted">output</span>}
          {message.callId && <code class="muted call-id">{message.callId}</code>}
          {!open.value && <span class="muted clip">{preview(message)}</span>}
          {open.value && size > 400 && <span class="muted">{bytes(size)}</span>}
        </button>
        {spanId && state && (
          <button type="button" class="to-span" onClick={() => state.selectId(spanId)}>
            <Icon name="span" />
            span
          </button>
        )}
        <CopyButton text={message.text} label="Copy this message" />
      </header>
      {open.value && <MessageBody message={message} />}
    </article>
  );
}

function MessageBody({ message }: { message: Message }) {
  const { json, text } = message;
  if (json !== undefined && json !== null) {
    if (message.kind === "tool_call" && isDict(json)) {
      return isEmpty(json) ? <p class="muted none">no arguments</p> : <Fields values={json} />;
    }
    return <Value value={json} open={2} />;
  }
  if (text === "") return <p class="muted none">empty</p>;
  const code = message.kind === "tool_result" && looksLikeCode(text);
  return <TextBlock text={text} prose={!code} copy={false} />;
}
