/** Theme: the system's until the reader chooses; the choice is stored. */

import { signal } from "@preact/signals";
import { recall, remember } from "./storage.ts";

export type Theme = "system" | "light" | "dark";

export const theme = signal<Theme>(readTheme());

function readTheme(): Theme {
  const stored = recall("theme");
  return stored === "dark" || stored === "light" ? stored : "system";
}

const ORDER: Theme[] = ["system", "light", "dark"];

export function nextTheme(): void {
  const next = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? "system";
  theme.value = next;
  remember("theme", next === "system" ? null : next);
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
}
