// Routes of the gate: what waits for a human, the answers, and why things are as they are. A token that was minted for it
// (`--role approver`) may use those that say so, under its own name.
import * as Schema from "effect/Schema"
import { BatchAnswer, GateStory, Named, Standing, StandingPreview, StandingTerms, Why } from "../approval.ts"
import { GateView } from "../view.ts"
import { WarrantState } from "../warrant.ts"
import { MaybeNumber, None, proof, row, Text } from "./row.ts"

export const gateRoutes = {
  gate: row({
    method: "GET", path: "/v1/gate/requests", group: "gate", says: "What waits for a human, by risk and age; what ended unknown; what is under way.", approvers: true, payload: None,
    success: Schema.Array(GateView), query: Schema.Struct({ state: Schema.optionalKey(WarrantState), system: Text, limit: MaybeNumber })
  }),
  warrant: row({
    method: "GET", path: "/v1/gate/requests/:id", group: "gate", says: "Everything that the journal says of one request, with its final arguments.", approvers: true, query: None,
    payload: None, success: GateStory
  }),
  approve: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "approve", group: "gate", approvers: true, query: None, success: GateView,
    says: "Lets it happen, exactly as shown; with `standing`, also more of the same for a while.",
    payload: Schema.Struct({ digest: Text, reason: Text, standing: Schema.optionalKey(StandingTerms), ...proof })
  }),
  deny: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "deny", group: "gate", says: "Refuses it.", approvers: true, query: None, success: GateView,
    payload: Schema.Struct({ reason: Schema.String, digest: Text })
  }),
  edit: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "edit", group: "gate", approvers: true, query: None, success: GateView,
    says: "Puts other arguments in its place. They are checked anew and wait under a digest of their own.",
    payload: Schema.Struct({ payload: Schema.Json, digest: Text, reason: Text })
  }),
  preview: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "preview", group: "gate", approvers: true, query: None, success: StandingPreview, payload: StandingTerms,
    says: "What a standing approval like this would have matched among the newest actions. Changes nothing."
  }),
  reconcile: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "reconcile", group: "gate", approvers: true, query: None, success: GateView,
    says: "Says what became of an action that nobody knows the outcome of.",
    payload: Schema.Struct({ outcome: Schema.Literals(["succeeded", "failed"]), reason: Schema.String })
  }),
  compensate: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "compensate", group: "gate", query: None, success: GateView,
    says: "Takes back the effect of one that succeeded, where its executor can. Answers the warrant that does it.",
    payload: Schema.Struct({ reason: Text, ...proof })
  }),
  answerAll: row({
    method: "POST", path: "/v1/gate/answers", group: "gate", approvers: true, query: None, success: Schema.Array(BatchAnswer),
    says: "Answers several requests, each bound to its own digest.",
    payload: Schema.Struct({ outcome: Schema.Literals(["approved", "refused"]), answers: Schema.Array(Named), reason: Text, ...proof })
  }),
  standing: row({
    method: "GET", path: "/v1/gate/standing", group: "gate", says: "Standing approvals that are in force.", approvers: true, query: None, payload: None, success: Schema.Array(Standing)
  }),
  revokeStanding: row({
    method: "DELETE", path: "/v1/gate/standing/:id", group: "gate", says: "Ends a standing approval at once.", approvers: true, query: None, payload: None, success: Standing
  }),
  why: row({
    method: "GET", path: "/v1/why", group: "gate", payload: None, success: Why,
    says: "Who changed a path last, or why an event or a request is there, and what came of it.",
    query: Schema.Struct({ of: Schema.NonEmptyString.check(Schema.isMaxLength(4096)) })
  })
} as const
