/** A JSON value as a tree whose branches are drawn when they are opened. */

import { useSignal } from "@preact/signals";
import { Icon } from "../app/icons.tsx";
import { exact } from "../format.ts";

const CHUNK = 100;
const LONG = 400;

interface NodeProps {
  name: string | null;
  value: unknown;
  depth: number;
  /** Depth to which branches are open at first. */
  open: number;
}

export function JsonTree({ value, open = 2 }: { value: unknown; open?: number }) {
  return (
    <div class="json" data-own-arrows>
      {typeof value === "object" && value !== null ? (
        <Children entries={Object.entries(value)} depth={0} open={open} list={Array.isArray(value)} />
      ) : (
        <JsonNode name={null} value={value} depth={0} open={open} />
      )}
    </div>
  );
}

function JsonNode(props: NodeProps) {
  const { name, value } = props;
  if (typeof value !== "object" || value === null) {
    return (
      <div class="json-line">
        {name !== null && <Key name={name} />}
        <Leaf value={value} />
      </div>
    );
  }
  return <Branch {...props} value={value} />;
}

function Branch({ name, value, depth, open }: NodeProps & { value: object }) {
  const list = Array.isArray(value);
  const entries: [string, unknown][] = Object.entries(value);
  const size = entries.length;
  const shown = useSignal(depth < open - 1 && size <= CHUNK);
  if (size === 0) {
    return (
      <div class="json-line">
        {name !== null && <Key name={name} />}
        <span class="json-mark">{list ? "[]" : "{}"}</span>
      </div>
    );
  }
  return (
    <div class="json-branch">
      <button
        type="button"
        class="json-line json-head"
        aria-expanded={shown.value}
        onClick={() => (shown.value = !shown.value)}
      >
        <span class={shown.value ? "twist open" : "twist"}>
          <Icon name="chevron" />
        </span>
        {name !== null && <Key name={name} />}
        <span class="json-mark">
          {list ? `[${size}]` : shown.value ? "" : `{${summary(entries)}}`}
        </span>
      </button>
      {shown.value && (
        <div class="json-children">
          <Children entries={entries} depth={depth + 1} open={open} list={list} />
        </div>
      )}
    </div>
  );
}

interface ChildrenProps {
  entries: [string, unknown][];
  depth: number;
  open: number;
  list: boolean;
}

/** The members of an object or array, a hundred at a time. */
function Children({ entries, depth, open, list }: ChildrenProps) {
  const chunks = useSignal(1);
  const shown = chunks.value * CHUNK;
  if (entries.length === 0) return <span class="json-mark">{list ? "[]" : "{}"}</span>;
  return (
    <>
      {entries.slice(0, shown).map(([key, child]) => (
        <JsonNode key={key} name={key} value={child} depth={depth} open={open} />
      ))}
      {entries.length > shown && (
        <button type="button" class="unfold" onClick={() => (chunks.value += 1)}>
          Show more · {exact(entries.length - shown)} left
        </button>
      )}
    </>
  );
}

function summary(entries: [string, unknown][]): string {
  const keys = entries.slice(0, 4).map(([key]) => key);
  return entries.length > 4 ? `${keys.join(", ")}, …` : keys.join(", ");
}

function Key({ name }: { name: string }) {
  return (
    <>
      <span class="json-key">{name}</span>
      <span class="json-colon">:</span>
    </>
  );
}

function Leaf({ value }: { value: unknown }) {
  const whole = useSignal(false);
  if (typeof value !== "string") return <span class={`json-${value === null ? "null" : typeof value}`}>{String(value)}</span>;
  const long = value.length > LONG && !whole.value;
  return (
    <span class="json-string">
      {long ? `"${value.slice(0, LONG)}…"` : `"${value}"`}
      {long && (
        <button type="button" class="unfold inline" onClick={() => (whole.value = true)}>
          all {value.length} characters
        </button>
      )}
    </span>
  );
}
