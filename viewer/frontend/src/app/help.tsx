/** The shortcuts dialog, and the switch that turns single keys off. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { keysEnabled, setKeysEnabled, useKeys } from "./keys.ts";

export const helpOpen = signal(false);

const SHORTCUTS: [string, [string, string][]][] = [
  [
    "Everywhere",
    [
      ["?", "this help"],
      ["t", "pause or resume live updates"],
      ["Esc", "close, clear, or go back"],
    ],
  ],
  [
    "Traces",
    [
      ["j k ↓ ↑", "next, previous row"],
      ["PgDn PgUp", "a page down, up"],
      ["Home End", "first, last row"],
      ["Enter", "open"],
      ["o", "open in a new tab"],
      ["/", "filter"],
      ["e", "errors only"],
      ["y", "copy link"],
      ["r", "load again"],
    ],
  ],
  [
    "Trace",
    [
      ["j k ↓ ↑", "next, previous span"],
      ["h l ← →", "close or parent, open or child"],
      ["H L", "close all, open all"],
      ["e E", "next, previous error"],
      ["a", "next model call"],
      ["[ ]", "previous, next trace"],
      ["z 0", "zoom to the span, show all"],
      ["+ -", "zoom in, out"],
      ["d", "raw JSON"],
      ["\\", "show or hide the panel"],
      ["y Y", "copy link, copy span as JSON"],
    ],
  ],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = (): void => {
    helpOpen.value = false;
  };
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  useKeys({ Escape: close, "?": close }, true);
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      data-testid="help"
      onClose={close}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      <div class="help-body" data-own-arrows>
        <header>
          <h2 id="help-title">Shortcuts</h2>
          <button type="button" class="quiet square" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        <div class="help-columns">
          {SHORTCUTS.map(([title, rows]) => (
            <section key={title}>
              <h3>{title}</h3>
              <dl>
                {rows.map(([keys, what]) => (
                  <div key={keys}>
                    <dt>
                      {keys.split(" ").map((key) => (
                        <kbd key={key}>{key}</kbd>
                      ))}
                    </dt>
                    <dd>{what}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
        <label class="switch">
          <input
            type="checkbox"
            checked={keysEnabled.value}
            onChange={(event) => setKeysEnabled(event.currentTarget.checked)}
          />
          Single-key shortcuts
        </label>
      </div>
    </dialog>
  );
}
