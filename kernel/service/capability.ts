// Answers requests for authority on `aaax.capability-request`.
import { CapabilityRequest, type Access } from "../../protocol/authority.ts"
import { replyKinds } from "../../protocol/warrant.ts"
import { capabilityRequest } from "../../protocol/well-known.ts"
import { decideCapability } from "../authority/decide/capability.ts"
import type { Rules } from "../authority/decide/decision.ts"
import { make, type Service, type ServiceRoom } from "./service.ts"

const isAccess = (word: unknown): word is Access => word === "read" || word === "write" || word === "execute"

export const service = (room: ServiceRoom, rules: Rules): Service =>
  make({
    room,
    channel: capabilityRequest,
    schema: CapabilityRequest,
    refusal: replyKinds.refusedCapability,
    plain: (payload) => {
      const { access, context, resource, scope } = payload as Readonly<Record<string, unknown>> // an object
      if (scope !== undefined || context !== undefined || typeof resource !== "string" || resource === "" || resource.length > 1_000) return undefined
      return isAccess(access) ? { resource, access } : undefined
    },
    decide: (reference, request) => decideCapability(rules, reference, request)
  })
