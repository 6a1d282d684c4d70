import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { mockApi } from "./dev/mock.ts";

/**
 * Emits `src/theme-first.js` as a hashed classic script and loads it before the stylesheet, so
 * that a stored theme is set before the first paint without an inline script (the CSP refuses one).
 */
function themeFirst(): Plugin {
  const file = fileURLToPath(new URL("./src/theme-first.js", import.meta.url));
  let reference = "";
  let serving = false;
  return {
    name: "theme-first",
    configResolved(config) {
      serving = config.command === "serve";
    },
    buildStart() {
      if (serving) return;
      reference = this.emitFile({
        type: "asset",
        name: "theme-first.js",
        source: readFileSync(file, "utf8"),
      });
    },
    transformIndexHtml: {
      order: "post",
      handler(this: { getFileName?: (ref: string) => string }) {
        const src = serving ? "/src/theme-first.js" : `/${this.getFileName?.(reference)}`;
        return [{ tag: "script", attrs: { src }, injectTo: "head-prepend" as const }];
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
    reportCompressedSize: true,
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
