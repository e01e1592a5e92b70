// Executors and secrets over HTTP, for the operator.
import * as Effect from "effect/Effect"
import type { Kernel } from "../../kernel.ts"
import type { Handlers } from "./handlers.ts"

export const executorRows = ({ catalog }: Pick<Kernel, "catalog">): Pick<Handlers, "executors" | "secrets"> => ({
  executors: () => Effect.sync(catalog.executors),
  secrets: () => Effect.sync(catalog.secrets)
})
