/** Presets and the filter box. */

import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../app/icons.tsx";
import { useKeys } from "../app/keys.ts";
import { adjust, route } from "../app/router.ts";
import { listRoute, type ListRoute } from "../app/url.ts";
import { PRESETS, presetOf } from "./presets.ts";
import * as list from "./state.ts";

const TYPING_MS = 180;

function change(part: Partial<ListRoute>): void {
  const now = route.peek();
  adjust({ ...(now.page === "list" ? now : listRoute()), ...part });
}

export function FilterBar({ here }: { here: ListRoute }) {
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => {
    // The route changed from elsewhere (back, a preset): the box follows unless it is in use.
    if (input.current && document.activeElement !== input.current) input.current.value = here.q;
  }, [here.q]);
  useKeys({
    "/": () => {
      input.current?.focus();
      input.current?.select();
    },
  });
  const apply = (): void => {
    window.clearTimeout(timer.current);
    change({ q: input.current?.value.trim() ?? "" });
  };
  return (
    <div class="filter-bar" role="search">
      <label class="filter">
        <Icon name="search" />
        <span class="sr-only">Filter traces</span>
        <input
          ref={input}
          type="search"
          defaultValue={here.q}
          placeholder="Filter: text, status:error, group:…, name:…"
          spellcheck={false}
          autocomplete="off"
          maxLength={1000}
          data-testid="filter"
          onInput={() => {
            window.clearTimeout(timer.current);
            timer.current = window.setTimeout(apply, TYPING_MS);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              apply();
              event.currentTarget.blur();
            } else if (event.key === "Escape") {
              if (event.currentTarget.value) {
                event.currentTarget.value = "";
                apply();
              } else event.currentTarget.blur();
            }
          }}
        />
        <kbd>/</kbd>
      </label>
      {here.group && (
        <button type="button" class="chip" onClick={() => change({ group: "" })} data-testid="group-chip">
          group {here.group}
          <Icon name="close" label="Remove" />
        </button>
      )}
      <Presets active={presetOf(here.status)} />
    </div>
  );
}

function Presets({ active }: { active: string | null }) {
  return (
    <div class="presets" role="group" aria-label="Status">
      {PRESETS.map((preset) => (
        <button
          type="button"
          key={preset.id}
          aria-pressed={preset.id === active}
          data-testid={`tab-${preset.id}`}
          onClick={() => change({ status: preset.status })}
        >
          {preset.label}
          <Count id={preset.id} />
        </button>
      ))}
    </div>
  );
}

function Count({ id }: { id: string }) {
  const n = list.counts.value[id];
  if (n === undefined || id === "all") return null;
  return <span class={n === "0" ? "n zero" : `n ${id}`}>{n}</span>;
}
