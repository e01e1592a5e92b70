// Answers requests for authority on `aaax.capability-request`.
import { CapabilityRequest } from "../../protocol/authority.ts"
import { replyKinds } from "../../protocol/warrant.ts"
import { capabilityRequest } from "../../protocol/well-known.ts"
import { decideCapability, type Rules } from "../authority/decide.ts"
import { make, type Service, type ServiceRoom } from "./service.ts"

export const service = (room: ServiceRoom, rules: Rules): Service =>
  make({
    room,
    channel: capabilityRequest,
    schema: CapabilityRequest,
    refusal: replyKinds.refusedCapability,
    decide: (reference, request) => decideCapability(rules, reference, request)
  })
