// Answers requests for authority on `aaax.capability-request`: to get a capability, to pass a part of one on, to take it back.
import { CapabilityRequest, DelegateRequest, RevokeRequest, type Access } from "../../protocol/authority.ts"
import { replyKinds } from "../../protocol/warrant.ts"
import { capabilityRequest } from "../../protocol/well-known.ts"
import { decideCapability } from "../authority/decide/capability.ts"
import type { Rules } from "../authority/decide/decision.ts"
import { decideDelegate, decideGiveUp } from "../authority/decide/delegate.ts"
import { make, type Service, type ServiceRoom } from "./service.ts"

const isAccess = (word: unknown): word is Access => word === "read" || word === "write" || word === "execute"

export const service = (room: ServiceRoom, rules: Rules): Service =>
  make<CapabilityRequest | DelegateRequest | RevokeRequest>({
    room,
    channel: capabilityRequest,
    schema: CapabilityRequest,
    others: { delegate: DelegateRequest, revoke: RevokeRequest },
    refusal: replyKinds.refusedCapability,
    plain: (payload) => {
      const { access, caveats, context, resource, scope } = payload as Readonly<Record<string, unknown>> // an object
      if (scope !== undefined || context !== undefined || caveats !== undefined) return undefined
      if (typeof resource !== "string" || resource === "" || resource.length > 1_000) return undefined
      return isAccess(access) ? { resource, access } : undefined
    },
    decide: (reference, request) => {
      if ("delegate" in request) return decideDelegate(reference, request)
      return "revoke" in request ? decideGiveUp(reference, request) : decideCapability(rules, reference, request)
    }
  })
