/** The frame around every page: top bar, offline bar, hints at the bottom, help. */

import { signal, useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { api, isAbort } from "../api/client.ts";
import { liveState, onChange, paused } from "../api/live.ts";
import type { Meta } from "../api/types.ts";
import { bytes, exact, fileName, plural } from "../format.ts";
import { setServerNow } from "./clock.ts";
import { Help, helpOpen } from "./help.tsx";
import { Icon } from "./icons.tsx";
import { useKeys } from "./keys.ts";
import { Toast } from "./parts.tsx";
import { nextTheme, theme } from "./theme.ts";

export const meta = signal<Meta | null>(null);

let metaAt = 0;
const META_EVERY_MS = 5000;

async function refreshMeta(): Promise<void> {
  metaAt = performance.now();
  try {
    meta.value = await api.meta();
    setServerNow(meta.value.now_us);
  } catch (error) {
    if (!isAbort(error)) return; // The status line keeps its last facts; the bar tells the outage.
  }
}

export function useMeta(): void {
  useEffect(() => {
    void refreshMeta();
    return onChange(() => {
      if (performance.now() - metaAt > META_EVERY_MS) void refreshMeta();
    });
  }, []);
}

function LiveIndicator() {
  const state = liveState.value;
  const text = useComputed(() => {
    if (liveState.value === "offline") return "Offline";
    if (paused.value) return "Paused";
    return liveState.value === "live" ? "Live" : "Connecting";
  });
  const shown = state === "live" && paused.value ? "paused" : state;
  return (
    <button
      type="button"
      class={`live quiet ${shown}`}
      data-testid="live-indicator"
      data-state={shown}
      aria-pressed={paused.value}
      title={paused.value ? "Resume live updates (t)" : "Pause live updates (t)"}
      onClick={() => {
        paused.value = !paused.value;
      }}
    >
      <span class="dot" />
      <span>{text.value}</span>
      <Icon name={paused.value ? "play" : "pause"} />
    </button>
  );
}

function Store() {
  const facts = meta.value;
  if (!facts) return null;
  const lost = Object.values(facts.losses).reduce((sum, n) => sum + n, 0);
  const title = `${facts.store.path}\n${plural(facts.counts.traces, "trace")}, ${plural(facts.counts.spans, "span")}`;
  return (
    <span class="store">
      <span class="store-name" title={title} data-testid="store">
        {fileName(facts.store.path)} · {bytes(facts.store.size_bytes)}
      </span>
      {lost > 0 && (
        <button
          type="button"
          class="quiet lost"
          aria-expanded={lossesOpen.value}
          data-testid="lost"
          onClick={() => (lossesOpen.value = !lossesOpen.value)}
        >
          {exact(lost)} lost
        </button>
      )}
    </span>
  );
}

const lossesOpen = signal(false);

/** What of any trace was lost, and why; opened from the top bar. */
function Losses() {
  const parts = Object.entries(meta.value?.losses ?? {}).filter(([, n]) => n > 0);
  if (!lossesOpen.value || parts.length === 0) return null;
  return (
    <div class="bar warned" role="status" data-testid="losses">
      <Icon name="interrupted" />
      <span>
        <strong>Not kept or not delivered:</strong>{" "}
        {parts.map(([why, n]) => `${why} (${exact(n)})`).join(" · ")}. By whom and of which trace:{" "}
        <code>flightlog sql "SELECT * FROM losses"</code>
      </span>
    </div>
  );
}

function ThemeButton() {
  const now = theme.value;
  return (
    <button
      type="button"
      class="quiet square"
      title={`Theme: ${now}`}
      aria-label={`Theme: ${now}. Change`}
      data-testid="theme"
      onClick={nextTheme}
    >
      <Icon name={now} />
    </button>
  );
}

export type Hint = [keys: string, what: string];

function TopBar() {
  return (
    <header class="top">
      <a class="brand" href="/" data-testid="brand">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <rect x="1" y="2" width="9" height="3" rx="1.5" class="b1" />
          <rect x="3.5" y="6.5" width="10" height="3" rx="1.5" class="b2" />
          <rect x="8" y="11" width="7" height="3" rx="1.5" class="b3" />
        </svg>
        flightlog
      </a>
      <nav aria-label="Pages">
        <a href="/" aria-current="page">
          Traces
        </a>
      </nav>
      <div class="top-right">
        <LiveIndicator />
        <Store />
        <ThemeButton />
        <button
          type="button"
          class="quiet square"
          title="Shortcuts (?)"
          aria-label="Shortcuts"
          onClick={() => {
            helpOpen.value = true;
          }}
        >
          <Icon name="help" />
        </button>
      </div>
    </header>
  );
}

function KeyHint({ hint: [keys, what] }: { hint: Hint }) {
  return (
    <span>
      {keys.split(" ").map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
      {what}
    </span>
  );
}

export function Shell({ children, hints }: { children: ComponentChildren; hints: Hint[] }) {
  useMeta();
  useKeys({
    "?": () => {
      helpOpen.value = true;
    },
    t: () => {
      paused.value = !paused.value;
    },
  });
  return (
    <div class="shell">
      <TopBar />
      {liveState.value === "offline" && (
        <div class="bar warned" role="status" data-testid="offline">
          <Icon name="interrupted" />
          <span>
            <strong>flightlog stopped</strong> – retrying. What is loaded stays usable; start it
            again with <code>flightlog view</code>.
          </span>
        </div>
      )}
      <Losses />
      <main>{children}</main>
      <footer class="hints" aria-hidden="true">
        <div>
          {hints.map((hint) => (
            <KeyHint hint={hint} key={hint[0]} />
          ))}
        </div>
        <KeyHint hint={["?", "all shortcuts"]} />
      </footer>
      <Toast />
      {helpOpen.value && <Help />}
    </div>
  );
}
