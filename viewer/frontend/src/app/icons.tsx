/** Icons: one inline sprite, drawn on a 16-pixel grid in the current colour. */

import type { ComponentChildren } from "preact";

const line = {
  fill: "none",
  stroke: "currentColor",
  "stroke-width": "1.5",
  "stroke-linecap": "round",
  "stroke-linejoin": "round",
} as const;

const path = (d: string) => <path d={d} {...line} />;
const ring = <circle cx="8" cy="8" r="6" {...line} />;

const SHAPES: Record<string, ComponentChildren> = {
  ok: [ring, path("M5.3 8.2l1.9 1.9 3.6-4")],
  error: [
    <circle cx="8" cy="8" r="6.75" fill="currentColor" />,
    <path d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4" class="cut" {...line} stroke="var(--bg)" />,
  ],
  blocked: path("M8 1.8l5 1.8v4c0 3.2-2.1 5.4-5 6.6-2.9-1.2-5-3.4-5-6.6v-4zM5.6 8h4.8"),
  running: [
    <circle cx="8" cy="8" r="6" {...line} opacity="0.25" />,
    <path d="M8 2a6 6 0 0 1 6 6" class="spin" {...line} />,
  ],
  cancelled: [ring, path("M5.4 8h5.2")],
  interrupted: [ring, path("M8 4.8v4M8 11.2v.01")],
  agent: path("M8 1.9l5.3 3.05v6.1L8 14.1l-5.3-3.05v-6.1zM6 7v1.2M10 7v1.2"),
  handoff: path("M2 5.2h10.2M9.6 2.6l2.6 2.6-2.6 2.6M14 10.8H3.8M6.4 8.2l-2.6 2.6 2.6 2.6"),
  llm: path("M8 1.8c.5 3.6 2.6 5.7 6.2 6.2-3.6.5-5.7 2.6-6.2 6.2C7.5 10.6 5.4 8.5 1.8 8 5.4 7.5 7.5 5.4 8 1.8z"),
  tool: path("M9.9 6.1a3.6 3.6 0 0 1 4-3.9l-2 2 .2 1.7 1.7.2 2-2M9.9 6.1L2.6 13.4M9.9 6.1a3.6 3.6 0 0 0 4.2 4"),
  mcp: path("M5.5 1.8v3.4M10.5 1.8v3.4M3.8 5.2h8.4v2.3a4.2 4.2 0 0 1-8.4 0zM8 11.7v2.5"),
  guard: path("M8 1.8l5 1.8v4c0 3.2-2.1 5.4-5 6.6-2.9-1.2-5-3.4-5-6.6v-4z"),
  task: path("M3 3h10v10H3z"),
  turn: path("M13.2 8a5.2 5.2 0 1 1-1.6-3.8M13.4 1.9v2.9h-2.9"),
  custom: path("M8 2.5L13.5 8 8 13.5 2.5 8z"),
  speech: path("M8 1.8a2.2 2.2 0 0 1 2.2 2.2v3.6a2.2 2.2 0 0 1-4.4 0V4A2.2 2.2 0 0 1 8 1.8zM3.6 7.4a4.4 4.4 0 0 0 8.8 0M8 11.8v2.4"),
  chevron: path("M6 3.8L10.2 8 6 12.2"),
  copy: path("M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3"),
  done: path("M3 8.5l3.2 3.2L13 4.8"),
  light: [<circle cx="8" cy="8" r="3" {...line} />, path("M8 1.3v1.4M8 13.3v1.4M1.3 8h1.4M13.3 8h1.4M3.3 3.3l1 1M11.7 11.7l1 1M12.7 3.3l-1 1M4.3 11.7l-1 1")],
  dark: path("M13.4 9.8A5.8 5.8 0 0 1 6.2 2.6a5.8 5.8 0 1 0 7.2 7.2z"),
  system: [ring, <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />],
  pause: path("M5.5 3.5v9M10.5 3.5v9"),
  play: path("M5 3.2l7.5 4.8L5 12.8z"),
  up: path("M8 13V3.4M4.2 7L8 3.2 11.8 7"),
  down: path("M8 3v9.6M4.2 9L8 12.8 11.8 9"),
  close: path("M4 4l8 8M12 4l-8 8"),
  search: [<circle cx="7" cy="7" r="4.4" {...line} />, path("M10.4 10.4l3.4 3.4")],
  help: [ring, path("M6.2 6.3a1.9 1.9 0 1 1 2.6 1.8c-.5.2-.8.5-.8 1.1M8 11.4v.01")],
  person: [<circle cx="8" cy="5.2" r="2.7" {...line} />, path("M2.8 13.8c.6-2.8 2.6-4.2 5.2-4.2s4.6 1.4 5.2 4.2")],
  rules: path("M3 3.5h10M3 6.5h10M3 9.5h6.5M3 12.5h4"),
  thought: path("M5.8 12.2h4.4M6.4 14.2h3.2M5.8 10.4c-1.3-.8-2.1-2-2.1-3.6a4.3 4.3 0 0 1 8.6 0c0 1.6-.8 2.8-2.1 3.6z"),
  result: path("M6 3.2L2.4 6.8 6 10.4M2.8 6.8h6.4a4 4 0 0 1 4 4v2"),
  span: path("M2 4h7M5 8h8M8 12h5"),
};

export function Sprite() {
  return (
    <svg class="sprite" aria-hidden="true">
      {Object.entries(SHAPES).map(([name, shape]) => (
        <symbol id={`i-${name}`} viewBox="0 0 16 16" key={name}>
          {shape}
        </symbol>
      ))}
    </svg>
  );
}

export function Icon({ name, label, cls }: { name: string; label?: string; cls?: string }) {
  const hidden = label === undefined;
  return (
    <svg
      class={cls ? `icon ${cls}` : "icon"}
      role={hidden ? undefined : "img"}
      aria-hidden={hidden ? "true" : undefined}
      aria-label={label}
    >
      <use href={`#i-${name}`} />
    </svg>
  );
}

/** Status as icon and colour; the word is its accessible name. */
export function StatusIcon({ status }: { status: string }) {
  const cls = `status s-${status}`;
  return <Icon name={status in SHAPES ? status : "interrupted"} label={status} cls={cls} />;
}
