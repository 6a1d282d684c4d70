/** Small parts used on every page: copy button, failure notice, toast. */

import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { copyText } from "./hooks.ts";
import { Icon } from "./icons.tsx";

export const toast = signal<string | null>(null);

let toastTimer: number | undefined;

export function say(text: string): void {
  toast.value = text;
  window.clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => {
    toast.value = null;
  }, 1800);
}

export async function copyAndSay(text: string, what: string): Promise<void> {
  say((await copyText(text)) ? `${what} copied` : "The browser refused to copy");
}

export function Toast() {
  return (
    <div class="toast-place" role="status" aria-live="polite">
      {toast.value !== null && <div class="toast">{toast.value}</div>}
    </div>
  );
}

interface CopyProps {
  text: string | (() => string);
  label: string;
  caption?: string;
}

export function CopyButton({ text, label, caption }: CopyProps) {
  const done = useSignal(false);
  useEffect(() => {
    if (!done.value) return;
    const timer = window.setTimeout(() => {
      done.value = false;
    }, 1400);
    return () => window.clearTimeout(timer);
  }, [done.value]);
  const copy = async (event: MouseEvent): Promise<void> => {
    event.preventDefault();
    event.stopPropagation();
    if (await copyText(typeof text === "string" ? text : text())) done.value = true;
    else say("The browser refused to copy");
  };
  return (
    <button type="button" class="quiet copy" onClick={copy} title={label} aria-label={label}>
      <Icon name={done.value ? "done" : "copy"} />
      {caption && <span>{done.value ? "Copied" : caption}</span>}
    </button>
  );
}

interface FailureProps {
  error: ApiError;
  what: string;
  retry?: () => void;
  hint?: boolean;
  children?: ComponentChildren;
}

/** A failure where it happened: what, the server's words, its hint, and a way to try again. */
export function Failure({ error, what, retry, hint = true, children }: FailureProps) {
  return (
    <div class="failure" role="alert" data-testid="failure">
      <Icon name="error" cls="s-error" />
      <div>
        <strong>{what}</strong>
        <p>{error.message}</p>
        {hint && error.hint && <p class="muted">{error.hint}</p>}
        {retry && (
          <button type="button" class="button" onClick={retry}>
            Try again
          </button>
        )}
        {children}
      </div>
    </div>
  );
}
