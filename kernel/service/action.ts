// The gate: turns requests on `aaax.action-gate` into warrants.
import * as Effect from "effect/Effect"
import { ActionRequest } from "../../protocol/authority.ts"
import { replyKinds } from "../../protocol/warrant.ts"
import { actionGate } from "../../protocol/well-known.ts"
import { submitAsking } from "../authority/decide/ask.ts"
import type { Compensation } from "../authority/compensation.ts"
import type { Rules } from "../authority/decide/decision.ts"
import { decideRequested } from "../authority/decide/token.ts"
import { make, type Service, type ServiceRoom } from "./service.ts"

const isText = (value: unknown, lengthMax: number): value is string => typeof value === "string" && value.length <= lengthMax

export const service = (room: ServiceRoom, rules: Rules, canonical: (value: unknown) => string, compensation: Compensation): Service =>
  make({
    room,
    channel: actionGate,
    schema: ActionRequest,
    refusal: replyKinds.denied,
    plain: (payload) => {
      const { action, capability, compensates, executor, fence, payload: given, risk_level, target } = payload as Readonly<Record<string, unknown>> // an object
      if (fence !== undefined || compensates !== undefined) return undefined
      if (!isText(action, 200) || !isText(executor, 200) || executor === "" || !isText(target, 4096)) return undefined
      const request: { -readonly [Member in keyof ActionRequest]: ActionRequest[Member] } = { action, executor, target }
      // It came as JSON.
      if (given !== undefined) request.payload = given as ActionRequest["payload"] & {}
      if (isText(capability, Infinity) || capability === null) request.capability = capability
      else if (capability !== undefined) return undefined
      if (isText(risk_level, 100)) request.risk_level = risk_level
      else if (risk_level !== undefined) return undefined
      return request
    },
    decide: Effect.fnUntraced(function*(reference, request) {
      const { compensates } = request
      if (compensates !== undefined) {
        // What a rule would put in place of its payload is refused: it has none.
        return yield* compensation.on(compensates, (taken) =>
          Effect.map(submitAsking(room.journal, decideRequested(rules, reference, request, new Set(), taken)), ({ cursor }) => cursor))
      }
      const first = yield* submitAsking(room.journal, decideRequested(rules, reference, request))
      const { replacement } = first.answer
      if (replacement === undefined) return first.cursor
      // A rule put another payload in place: it is kept under its digest before the verdict names it.
      const bytes = new TextEncoder().encode(canonical(replacement.payload))
      yield* Effect.orDie(room.channels.store.putArtifact(bytes, "application/json"))
      const second = yield* submitAsking(room.journal, decideRequested(rules, reference, request, new Set([replacement.digest])))
      // Only a rule that answers the same question differently comes here again.
      return second.answer.replacement === undefined ? second.cursor : yield* Effect.die(new Error("a rule is not a function of its question"))
    })
  })
