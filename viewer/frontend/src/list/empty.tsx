/** What the list says when it has no rows. */

import { CopyButton } from "../app/parts.tsx";
import { Icon } from "../app/icons.tsx";
import { adjust } from "../app/router.ts";
import { meta } from "../app/shell.tsx";
import { listRoute, type ListRoute } from "../app/url.ts";

const QUICK_START = `from runtime import Agent, Runner
agent = Agent(name="Assistant", instructions="Be brief.")
print(Runner.run_sync(agent, "Say hello").final_output)`;

const DEMO = "flightlog demo";

export function EmptyStore() {
  const path = meta.value?.store.path;
  return (
    <div class="notice" data-testid="empty">
      <h1>No traces yet</h1>
      <p>
        Every run of an agent is recorded by itself and shows up here within a second. Three lines
        are enough:
      </p>
      <figure class="code">
        <pre>
          <code>{QUICK_START}</code>
        </pre>
        <CopyButton text={QUICK_START} label="Copy the code" />
      </figure>
      <p>No key at hand? This records sample runs, offline:</p>
      <figure class="code">
        <pre>
          <code>{DEMO}</code>
        </pre>
        <CopyButton text={DEMO} label="Copy the command" />
      </figure>
      {path && (
        <p class="muted">
          This page shows the store <code data-testid="store-path">{path}</code>{" "}
          <CopyButton text={path} label="Copy the path" />
        </p>
      )}
    </div>
  );
}

const NAMES: Record<string, string> = { status: "status", q: "text", group: "group" };

export function NoMatch({ here }: { here: ListRoute }) {
  const parts = (["status", "q", "group"] as const).filter((name) => here[name] !== "");
  return (
    <div class="notice" data-testid="no-match">
      <h1>No trace matches</h1>
      <p class="chips">
        {parts.map((name) => (
          <button type="button" class="chip" key={name} onClick={() => adjust({ ...here, [name]: "" })}>
            {NAMES[name]}: {here[name]}
            <Icon name="close" label="Remove" />
          </button>
        ))}
      </p>
      <button type="button" class="button" onClick={() => adjust(listRoute())}>
        Show all traces
      </button>
    </div>
  );
}
