/** A recorded error taken apart: type, stack, causes, whatever else it carries. Pure. */

import type { SpanError } from "../api/types.ts";
import { isDict } from "./messages.ts";

const KNOWN = new Set(["type", "message", "stack", "traceback", "causes"]);

export interface ErrorParts {
  type: string | null;
  stack: string | null;
  causes: { type: string; message: string; stack: string | null }[];
  rest: Record<string, unknown>;
}

/** What is in an error's data, by the names a recorded exception has. */
export function errorParts(error: SpanError): ErrorParts {
  const data = error.data ?? {};
  const text = (value: unknown): string | null => (typeof value === "string" && value ? value : null);
  const stack = data.stack ?? data.traceback;
  const causes = Array.isArray(data.causes) ? (data.causes as unknown[]) : [];
  return {
    type: text(data.type),
    stack: Array.isArray(stack) ? stack.join("") : text(stack),
    causes: causes.map((cause) =>
      isDict(cause)
        ? {
            type: text(cause.type) ?? "cause",
            message: text(cause.message) ?? "",
            stack: text(cause.stack) ?? text(cause.traceback),
          }
        : { type: "cause", message: String(cause), stack: null },
    ),
    rest: Object.fromEntries(Object.entries(data).filter(([key]) => !KNOWN.has(key))),
  };
}
