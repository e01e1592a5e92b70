// Policy over HTTP, for the operator.
import * as Effect from "effect/Effect"
import { InvalidPayload } from "../../../protocol/errors.ts"
import type { Kernel } from "../../kernel.ts"
import { operator } from "../operator.ts"
import type { Handlers } from "./handlers.ts"

type Rows = Pick<
  Handlers, "policy" | "policyLog" | "checkPolicy" | "explainPolicy" | "activatePolicy" | "revertPolicy" | "freeze" | "thaw"
>

export const policyRows = ({ policies }: Pick<Kernel, "policies">): Rows => {
  const changed = (changing: Effect.Effect<boolean>): ReturnType<Rows["freeze"]> =>
    Effect.map(changing, (hasChanged) => ({ changed: hasChanged, frozen: policies.frozen() }))
  return {
    policy: () => policies.view,
    policyLog: () => policies.log,
    checkPolicy: ({ payload }) => Effect.map(policies.check(payload.document), ({ description, version }) => ({ version, description })),
    explainPolicy: ({ payload: { question, request } }) => {
      if (request !== undefined) return policies.explainRequest(request)
      return question === undefined
        ? Effect.fail(new InvalidPayload({ what: "body", path: "", reason: "give the id of a request, or a question" }))
        : policies.explain(question)
    },
    activatePolicy: ({ payload }) => policies.activate(payload.document, operator, payload.reason ?? ""),
    revertPolicy: ({ payload }) => policies.revert(payload.version, operator, payload.reason ?? ""),
    freeze: ({ payload }) => changed(policies.freeze(operator, payload.reason ?? "")),
    thaw: ({ payload }) => changed(policies.thaw(operator, payload.reason ?? ""))
  }
}
