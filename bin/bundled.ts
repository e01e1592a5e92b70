// The bundled modules as the command line has them: in its own bundle, each loaded when it is asked for.
import type { BundledModule, LoadBundled } from "../kernel/power/bundled.ts"

const loaders: { readonly [Name in BundledModule]: () => Promise<{ readonly default: unknown }> } = {
  "aaax/modules/approvals": () => import("aaax/modules/approvals"),
  "aaax/modules/coordinator": () => import("aaax/modules/coordinator"),
  "aaax/modules/directory": () => import("aaax/modules/directory"),
  "aaax/modules/echo": () => import("aaax/modules/echo"),
  "aaax/modules/llm": () => import("aaax/modules/llm"),
  "aaax/modules/relay": () => import("aaax/modules/relay"),
  "aaax/modules/report": () => import("aaax/modules/report"),
  "aaax/modules/supervisor": () => import("aaax/modules/supervisor"),
  "aaax/modules/survey": () => import("aaax/modules/survey"),
  "aaax/modules/watch": () => import("aaax/modules/watch"),
  "aaax/modules/worker": () => import("aaax/modules/worker")
}

export const bundled: LoadBundled = (name) => loaders[name]()
