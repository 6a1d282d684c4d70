/** The server's clock as far as this page knows it, ticking only while something needs it. */

import { signal } from "@preact/signals";

let anchorUs = Date.now() * 1000;
let anchorAt = performance.now();

/** Server time in microseconds; call `setServerNow` with each answer that carries it. */
export function serverNow(): number {
  return anchorUs + (performance.now() - anchorAt) * 1000;
}

export function setServerNow(us: number): void {
  anchorUs = us;
  anchorAt = performance.now();
}

/** Changes once a second; read it to be drawn again with it. */
export const second = signal(0);

/** Changes four times a second while a running trace is on screen. */
export const quarter = signal(0);

let quarterUsers = 0;
let quarterTimer: number | undefined;

export function startClock(): void {
  window.setInterval(() => {
    if (!document.hidden) second.value += 1;
  }, 1000);
}

/** Keeps `quarter` ticking until the returned function is called. */
export function holdQuarter(): () => void {
  quarterUsers += 1;
  quarterTimer ??= window.setInterval(() => {
    quarter.value += 1;
  }, 250);
  return () => {
    quarterUsers -= 1;
    if (quarterUsers === 0) {
      window.clearInterval(quarterTimer);
      quarterTimer = undefined;
    }
  };
}
