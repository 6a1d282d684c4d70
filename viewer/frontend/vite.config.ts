import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { mockApi } from "./dev/mock.ts";

/**
 * Emits `src/theme-first.js` as a hashed classic script and loads it before the stylesheet, so
 * that a stored theme is set before the first paint without an inline script (the CSP refuses one).
 */
function themeFirst(): Plugin {
  const file = fileURLToPath(new URL("./src/theme-first.js", import.meta.url));
  let serving = false;
  return {
    name: "theme-first",
    configResolved(config) {
      serving = config.command === "serve";
    },
    buildStart() {
      if (serving) return;
      this.emitFile({
        type: "asset",
        name: "theme-first.js",
        source: readFileSync(file, "utf8"),
      });
    },
    transformIndexHtml: {
      order: "post",
      handler(_html, context) {
        const built = Object.keys(context.bundle ?? {}).find((name) => name.includes("theme-first"));
        const src = built === undefined ? "/src/theme-first.js" : `/${built}`;
        return [{ tag: "script", attrs: { src }, injectTo: "head-prepend" }];
      },
    },
  };
}

export default defineConfig({
  plugins: [themeFirst(), mockApi()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    reportCompressedSize: true,
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
