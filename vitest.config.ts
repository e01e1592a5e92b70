// Tests run on the sources: `aaax` and its entries are aliased to the folders that they are built from.
import { defineConfig } from "vitest/config"

const here = (path: string): string => new URL(path, import.meta.url).pathname

export default defineConfig({
  resolve: {
    alias: [
      { find: /^aaax$/, replacement: here("libos/index.ts") },
      { find: /^aaax\/kernel$/, replacement: here("kernel/index.ts") },
      { find: /^aaax\/protocol$/, replacement: here("protocol/index.ts") },
      { find: /^aaax\/client$/, replacement: here("libos/client.ts") },
      { find: /^aaax\/process$/, replacement: here("libos/process.ts") },
      { find: /^aaax\/effect$/, replacement: here("libos/effect.ts") },
      { find: /^aaax\/security$/, replacement: here("kernel/security.ts") },
      { find: /^aaax\/testing$/, replacement: here("kernel/testing.ts") },
      { find: /^aaax\/ref$/, replacement: here("kernel/ref/index.ts") },
      { find: /^aaax\/(store|policy|executor|door)\/(.+)$/, replacement: here("kernel") + "/$1/$2.ts" },
      { find: /^aaax\/modules\/(.+)$/, replacement: here("modules") + "/$1/index.ts" }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: "forks",
    // On CI the runner's own report is read for the closing line.
    reporters: process.env["CI"] === undefined ? ["default"] : ["default", ["json", { outputFile: "node_modules/.cache/aaax/tests.json" }]]
  }
})
