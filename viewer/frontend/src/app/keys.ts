/**
 * Single-key shortcuts. Layers stack: the newest that knows a key gets it, and a modal layer
 * hides those below. Inputs keep every key, and all single keys can be switched off.
 */

import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { recall, remember } from "./storage.ts";

export type Bindings = Record<string, (event: KeyboardEvent) => void>;

interface Layer {
  bindings: () => Bindings;
  modal: boolean;
}

const layers: Layer[] = [];

export const keysEnabled = signal(recall("keys") !== "off");

export function setKeysEnabled(on: boolean): void {
  keysEnabled.value = on;
  remember("keys", on ? null : "off");
}

const SCROLL_KEYS = new Set(["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);
const NAMED = new Set([...SCROLL_KEYS, "ArrowLeft", "ArrowRight", "Enter", "Escape"]);

function takesText(element: Element): boolean {
  return element.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") != null;
}

/** Whether the focused element has a use of its own for this key. */
function keptByFocus(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof Element)) return false;
  if (takesText(target)) return true;
  if (event.key === "Enter" && target.closest("button, a[href], summary")) return true;
  const ownArrows = target.closest("[data-own-arrows]");
  return ownArrows !== null && (SCROLL_KEYS.has(event.key) || event.key.startsWith("Arrow"));
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!keysEnabled.value && !NAMED.has(event.key)) return;
  if (keptByFocus(event)) return;
  for (let i = layers.length - 1; i >= 0; i--) {
    const layer = layers[i]!;
    const action = layer.bindings()[event.key];
    if (action) {
      event.preventDefault();
      action(event);
      return;
    }
    if (layer.modal) return;
  }
}

export function startKeys(): void {
  document.addEventListener("keydown", onKey);
}

export function useKeys(bindings: Bindings, modal = false): void {
  const current = useRef(bindings);
  current.current = bindings;
  // With the layout: a key pressed right after a dialog or page is gone must not go to it.
  useLayoutEffect(() => {
    const layer: Layer = { bindings: () => current.current, modal };
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, [modal]);
}
