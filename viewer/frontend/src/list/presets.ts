/** The preset tabs of the list and which of them a route means. Pure. */

export interface Preset {
  id: string;
  label: string;
  status: string;
}

export const PRESETS: readonly Preset[] = [
  { id: "all", label: "All", status: "" },
  { id: "errors", label: "Errors", status: "error" },
  { id: "running", label: "Running", status: "running" },
  { id: "blocked", label: "Blocked", status: "blocked" },
];

export function presetOf(status: string): string | null {
  return PRESETS.find((preset) => preset.status === status)?.id ?? null;
}

/** `n`, or `n+` when a page was full and more lie behind it. */
export function countLabel(n: number, more: boolean): string {
  return more ? `${n}+` : String(n);
}
