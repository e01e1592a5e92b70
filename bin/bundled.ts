// The bundled modules as the command line has them: in its own bundle, each loaded when it is asked for.
import type { BundledModule, LoadBundled } from "../kernel/power/bundled.ts"

const loaders: { readonly [Name in BundledModule]: () => Promise<{ readonly default: unknown }> } = {
  "aaax/modules/approvals": () => import("aaax/modules/approvals"),
  "aaax/modules/echo": () => import("aaax/modules/echo"),
  "aaax/modules/llm": () => import("aaax/modules/llm"),
  "aaax/modules/report": () => import("aaax/modules/report"),
  "aaax/modules/survey": () => import("aaax/modules/survey"),
  "aaax/modules/watch": () => import("aaax/modules/watch")
}

export const bundled: LoadBundled = (name) => loaders[name]()
