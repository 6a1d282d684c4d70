/** Numbers and times as people read them. Pure; the locale never changes the result. */

/** `1.2 s` style durations from milliseconds: three digits at most, the unit that fits. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms === 0) return "0ms";
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))}µs`;
  if (ms < 9.95) return `${trim(ms.toFixed(1))}ms`;
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  const s = ms / 1000;
  if (s < 59.995) return `${s.toFixed(2)}s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** Whole seconds of something that still runs: `8s`, `1m 05s`. */
export function elapsed(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  return s < 60 ? `${s}s` : duration(s * 1000);
}

function trim(text: string): string {
  return text.replace(/\.0$/, "");
}

function pad(n: number): string {
  return String(n).padStart(2, "0");
}

/** `2.8k`, `1.2M`; `–` for unknown, never `0` for it. */
export function count(n: number | null | undefined): string {
  if (n === null || n === undefined) return "–";
  if (n < 1000) return String(n);
  if (n < 999_500) return `${trim((n / 1000).toFixed(n < 99_950 ? 1 : 0))}k`;
  return `${trim((n / 1_000_000).toFixed(1))}M`;
}

/** `12,345`. */
export function exact(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/**
 * A cost with the digits that matter: `$1,234.50`, `$0.012`, `$0.00030`; "" where it is not known,
 * never `$0` for it. One that leaves calls out ends in `+`.
 */
export function dollars(usd: number | null | undefined, partial = false): string {
  if (usd === null || usd === undefined || !Number.isFinite(usd)) return "";
  return `$${amount(usd)}${partial ? "+" : ""}`;
}

function amount(usd: number): string {
  if (usd >= 0.995) {
    const [whole, cents] = usd.toFixed(2).split(".");
    return `${exact(Number(whole))}.${cents}`;
  }
  if (usd >= 0.01) return usd.toFixed(3);
  // Two digits, as many places down as the first of them is.
  const places = usd > 0 ? 1 - Number(usd.toExponential(1).split("e")[1]) : 0;
  return places > 0 && places <= 10 ? usd.toFixed(places) : "0";
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  if (n < 999_500) return `${trim((n / 1000).toFixed(n < 9950 ? 1 : 0))} kB`;
  if (n < 999_500_000) return `${trim((n / 1_000_000).toFixed(1))} MB`;
  return `${trim((n / 1_000_000_000).toFixed(1))} GB`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${exact(n)} ${n === 1 ? one : many}`;
}

/** `just now`, `5 min ago`, `3 h ago`, `2 d ago`. */
export function relative(us: number, nowUs: number): string {
  const s = Math.floor((nowUs - us) / 1e6);
  if (s < 5) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86_400)} d ago`;
}

/** `2026-11-20 14:03:22.123` in the reader's own time zone. */
export function absolute(us: number): string {
  const d = new Date(us / 1000);
  const day = `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
  const ms = String(d.getMilliseconds()).padStart(3, "0");
  return `${day} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${ms}`;
}

/** The last part of a path, the way a status line names a file. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).filter(Boolean).pop() ?? path;
}

/** One line of a longer text, for a cell. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** `trace_12bf…81c2`: enough to recognise an id. */
export function shortId(id: string): string {
  return id.length <= 18 ? id : `${id.slice(0, 13)}…${id.slice(-4)}`;
}
