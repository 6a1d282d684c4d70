/** The mark that the recorder leaves in place of what it could not keep. Pure. */

import { bytes, plural } from "../format.ts";
import { isDict } from "./messages.ts";

const MARK = "flightlog.lost";

/** What is said in place of such a mark; null for any other value. */
export function lostNote(value: unknown): string | null {
  if (!isDict(value) || typeof value[MARK] !== "string") return null;
  const size =
    typeof value.bytes === "number"
      ? `, ${bytes(value.bytes)}`
      : typeof value.items === "number"
        ? `, ${plural(value.items, "item")}`
        : "";
  return `Not kept: ${value[MARK]}${size}`;
}
