// Tokens over HTTP, for the operator.
import * as Effect from "effect/Effect"
import type { Kernel } from "../../kernel.ts"
import { operator } from "../operator.ts"
import { outsideOf } from "./gate.ts"
import type { Handlers } from "./handlers.ts"

export const tokenRows = ({ gate, tokens }: Pick<Kernel, "gate" | "tokens">): Pick<Handlers, "tokens" | "mintToken" | "revokeToken"> => ({
  tokens: () => Effect.sync(tokens.list),
  mintToken: Effect.fnUntraced(function*({ payload }) {
    const { code: _, passphrase: _1, ...request } = payload
    // Whoever could make approvers would be all of them.
    if (request.approves === true) yield* gate.vouch(operator, ["approver", request.name], `lets ${request.name} approve actions from outside`, outsideOf(payload))
    return yield* tokens.mint(request)
  }),
  revokeToken: ({ id }) => tokens.revoke(id)
})
