// Policy over HTTP, for the operator.
import * as Effect from "effect/Effect"
import { InvalidPayload } from "../../../protocol/errors.ts"
import type { Kernel } from "../../kernel.ts"
import type { Outside } from "../../authority/gate/proof.ts"
import { operator } from "../operator.ts"
import { outsideOf } from "./gate.ts"
import type { Handlers } from "./handlers.ts"

type Rows = Pick<
  Handlers, "policy" | "policyLog" | "checkPolicy" | "explainPolicy" | "activatePolicy" | "revertPolicy" | "freeze" | "thaw"
>

export const policyRows = ({ gate, policies }: Pick<Kernel, "gate" | "policies">): Rows => {
  /** Whoever changes what is asked needs no approval any more: it is proved as an approval is. */
  const proved = (verb: string, of: string, says: string, payload: Outside) => gate.vouch(operator, [verb, of], says, outsideOf(payload))
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
    activatePolicy: Effect.fnUntraced(function*({ payload }) {
      const { description, version } = yield* policies.check(payload.document)
      yield* proved("policy", version, `puts the policy ${version.slice(0, 12)} in force (${description})`, payload)
      return yield* policies.activate(payload.document, operator, payload.reason ?? "")
    }),
    revertPolicy: Effect.fnUntraced(function*({ payload }) {
      const { version } = yield* policies.view
      const before = payload.version ?? "the one before"
      yield* proved("revert", `${version} ${before}`, `puts the policy ${before} in force again, in place of ${version.slice(0, 12)}`, payload)
      return yield* policies.revert(payload.version, operator, payload.reason ?? "")
    }),
    freeze: ({ payload }) => changed(policies.freeze(operator, payload.reason ?? "")),
    thaw: ({ payload }) =>
      policies.frozen() === null
        ? changed(policies.thaw(operator, payload.reason ?? ""))
        : Effect.andThen(proved("thaw", "", "lets actions start again", payload), changed(policies.thaw(operator, payload.reason ?? "")))
  }
}
