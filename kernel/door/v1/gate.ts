// Rows of the gate: whoever answers here is outside the kernel's process, and acts under the name of its credential.
import * as Effect from "effect/Effect"
import type { SystemId } from "../../../protocol/names.ts"
import type { Outside } from "../../authority/gate/proof.ts"
import type { Kernel } from "../../kernel.ts"
import type { Guest } from "../guest.ts"
import { operator } from "../operator.ts"
import type { Handlers } from "./handlers.ts"

type Rows = Pick<
  Handlers, "gate" | "warrant" | "approve" | "deny" | "edit" | "preview" | "reconcile" | "compensate" | "answerAll" | "standing" | "revokeStanding" | "why"
>

const answererOf = ({ isOperator, system }: Guest): SystemId => (isOperator ? operator : system)

/** Always there: who comes over a door is never the host. */
export const outsideOf = ({ code, passphrase }: Outside): Outside =>
  ({ ...(code === undefined ? {} : { code }), ...(passphrase === undefined ? {} : { passphrase }) })

export const gateRows = ({ gate }: Pick<Kernel, "gate">): Rows => ({
  gate: ({ query }) => gate.list(query),
  warrant: ({ id }) => gate.show(id),
  approve: ({ guest, id, payload }) => {
    const { code: _, passphrase: _1, ...options } = payload
    return gate.approve(id, answererOf(guest), { ...options, outside: outsideOf(payload) })
  },
  deny: ({ guest, id, payload: { reason, ...options } }) => gate.deny(id, answererOf(guest), reason, options),
  edit: ({ guest, id, payload: { payload, ...options } }) => gate.edit(id, answererOf(guest), payload, options),
  preview: ({ id, payload }) => gate.preview(id, payload),
  reconcile: ({ guest, id, payload }) => gate.reconcile(id, answererOf(guest), payload.outcome, payload.reason),
  compensate: ({ id, payload }) => gate.compensate(id, operator, payload.reason ?? "the operator took it back", { outside: outsideOf(payload) }),
  answerAll: ({ guest, payload }) => {
    const { answers, outcome, reason } = payload
    return gate.answerAll(outcome, answers, answererOf(guest), { ...(reason === undefined ? {} : { reason }), outside: outsideOf(payload) })
  },
  standing: () => Effect.sync(gate.standing),
  revokeStanding: ({ guest, id }) => gate.revokeStanding(id, answererOf(guest)),
  why: ({ query }) => gate.why(query.of)
})
