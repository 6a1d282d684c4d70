/** The time axis: domain, nice ticks, where a bar and its label go. Pure; microseconds and pixels. */

export interface Domain {
  from: number;
  to: number;
}

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30].flatMap((n) => [
  n * SECOND,
  n * MINUTE,
  n * HOUR,
]);
CLOCK_STEPS.sort((a, b) => a - b);

/** The round step nearest to `rough`, by ratio, of those not below `least`. */
function niceStep(rough: number, least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const tens = [1, 2, 5, 10, 20, 50].map((factor) => factor * power);
  // Above some seconds people count in minutes; beyond the longest of those, in tens again.
  const clock = rough > 5 * SECOND && rough < 20 * HOUR;
  const steps = (clock ? CLOCK_STEPS : tens).filter((step) => step >= least);
  const off = (step: number): number => Math.abs(Math.log(step / rough));
  return steps.reduce((a, b) => (off(b) < off(a) ? b : a), steps[0] ?? 10 * power);
}

export interface Tick {
  at: number;
  label: string;
}

/** About `wanted` ticks, never more than `most`, on round values inside the domain. */
export function ticks(domain: Domain, wanted = 5, most = 12): Tick[] {
  const span = domain.to - domain.from;
  if (!(span > 0)) return [{ at: domain.from, label: tickLabel(domain.from, 1) }];
  const step = niceStep(span / wanted, span / most);
  const found: Tick[] = [];
  for (let i = Math.ceil(domain.from / step); i * step <= domain.to; i++) {
    found.push({ at: i * step, label: tickLabel(i * step, step) });
  }
  return found;
}

/** As many digits as tell neighbouring ticks apart, no more. */
export function tickLabel(us: number, step: number): string {
  if (us === 0) return "0";
  if (us >= MINUTE && step >= SECOND) {
    const s = Math.round(us / SECOND);
    const [h, m, rest] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60];
    const two = (n: number): string => String(n).padStart(2, "0");
    return h > 0 ? `${h}:${two(m)}:${two(rest)}` : `${m}:${two(rest)}`;
  }
  if (us >= SECOND) return `${(us / SECOND).toFixed(decimals(step / SECOND))}s`;
  if (us >= 1000) return `${(us / 1000).toFixed(decimals(step / 1000))}ms`;
  return `${Math.round(us)}µs`;
}

function decimals(step: number): number {
  return step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step) - 1e-9));
}

/** A running trace's axis ends at a round step beyond now, so that it does not creep. */
export function runningEnd(nowUs: number): number {
  const floor = Math.max(nowUs * 1.04, 1000);
  const power = 10 ** Math.floor(Math.log10(floor));
  const step = power / 4;
  return Math.ceil(floor / step) * step;
}

export interface Bar {
  left: number;
  width: number;
  cutLeft: boolean;
  cutRight: boolean;
}

export const MIN_BAR = 2;

/** Where a span lies on an axis `width` pixels wide; null when it is outside the domain. */
export function placeBar(startUs: number, endUs: number, domain: Domain, width: number): Bar | null {
  const span = domain.to - domain.from;
  if (!(span > 0) || width <= 0) return null;
  if (endUs < domain.from || startUs > domain.to) return null;
  const scale = width / span;
  const from = Math.max(startUs, domain.from);
  const to = Math.min(endUs, domain.to);
  const size = Math.max(MIN_BAR, (to - from) * scale);
  const left = Math.min((from - domain.from) * scale, width - size);
  return { left, width: size, cutLeft: startUs < domain.from, cutRight: endUs > domain.to };
}

export type LabelPlace = { side: "right" | "left" | "inside"; x: number };

const GAP = 5;

/** Right of the bar when there is room up to `limit`, else left of it, else inside at its end. */
export function placeLabel(bar: Bar, labelWidth: number, limit: number): LabelPlace {
  const right = bar.left + bar.width + GAP;
  if (right + labelWidth <= limit) return { side: "right", x: right };
  if (bar.left - GAP - labelWidth >= 0) return { side: "left", x: bar.left - GAP - labelWidth };
  return { side: "inside", x: Math.max(0, bar.left + bar.width - labelWidth - GAP) };
}

/** The domain `factor` times as wide, keeping the instant `at` where it is, within [0, end]. */
export function zoomAt(domain: Domain, at: number, factor: number, end: number): Domain {
  const least = Math.min(100, end);
  const span = Math.min(end, Math.max(least, (domain.to - domain.from) * factor));
  const share = (at - domain.from) / (domain.to - domain.from);
  const from = Math.min(Math.max(0, at - span * share), end - span);
  return { from, to: from + span };
}

/** A span with a little air around it, for "zoom to span". */
export function around(startUs: number, endUs: number, end: number): Domain {
  const pad = Math.max((endUs - startUs) * 0.08, 50);
  return { from: Math.max(0, startUs - pad), to: Math.min(end, endUs + pad) };
}
