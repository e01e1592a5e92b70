// Tokens over HTTP, for the operator.
import * as Effect from "effect/Effect"
import type { Kernel } from "../../kernel.ts"
import type { Handlers } from "./handlers.ts"

export const tokenRows = ({ tokens }: Pick<Kernel, "tokens">): Pick<Handlers, "tokens" | "mintToken" | "revokeToken"> => ({
  tokens: () => Effect.sync(tokens.list),
  mintToken: ({ payload }) => tokens.mint(payload),
  revokeToken: ({ id }) => tokens.revoke(id)
})
