/** Small choices kept in localStorage. A browser that refuses it just forgets. */

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`flightlog.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`flightlog.${key}`);
    else localStorage.setItem(`flightlog.${key}`, value);
  } catch {
    // Nothing to do: the choice holds until the page is closed.
  }
}

export function recallNumber(key: string, fallback: number): number {
  const value = Number(recall(key) ?? Number.NaN);
  return Number.isFinite(value) ? value : fallback;
}
