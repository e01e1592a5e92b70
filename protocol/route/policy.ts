// Routes of policy: what is in force, why it says what it says, and the kill switch.
import * as Schema from "effect/Schema"
import { Explanation, FreezeView, PolicyEntry, PolicyView, QuestionDraft } from "../policy.ts"
import { None, proof, row, Text } from "./row.ts"

/** "granted", "default", or a table with the texts of its Cedar files. */
const Document = Schema.Json

const Change = Schema.Struct({ changed: Schema.Boolean, frozen: Schema.NullOr(FreezeView) })

export const policyRoutes = {
  policy: row({ method: "GET", path: "/v1/policy", group: "policy", says: "The policy in force, and that of the config.", query: None, payload: None, success: PolicyView }),
  policyLog: row({ method: "GET", path: "/v1/policy/log", group: "policy", says: "Every policy that was put in force, newest first.", query: None, payload: None, success: Schema.Array(PolicyEntry) }),
  checkPolicy: row({
    method: "POST", path: "/v1/policy/check", group: "policy", says: "Whether a policy could be put in force, and its version.", query: None,
    payload: Schema.Struct({ document: Document }), success: Schema.Struct({ version: Schema.String, description: Schema.String })
  }),
  explainPolicy: row({
    method: "POST", path: "/v1/policy/explain", group: "policy", says: "What each rule says to a request of the journal, or to a question.", query: None,
    payload: Schema.Struct({ request: Text, question: Schema.optionalKey(QuestionDraft) }), success: Explanation
  }),
  activatePolicy: row({
    method: "POST", path: "/v1/policy/activate", group: "policy", says: "Puts a policy in force until it is reverted, over the config's.", query: None,
    payload: Schema.Struct({ document: Document, reason: Text, ...proof }), success: PolicyView
  }),
  revertPolicy: row({
    method: "POST", path: "/v1/policy/revert", group: "policy", says: "Puts a policy in force again: the one before, one by its version, or `config`.", query: None,
    payload: Schema.Struct({ version: Text, reason: Text, ...proof }), success: PolicyView
  }),
  freeze: row({
    method: "POST", path: "/v1/freeze", group: "policy", says: "Nothing new starts until it is thawed, also after a restart.", query: None,
    payload: Schema.Struct({ reason: Text }), success: Change
  }),
  thaw: row({ method: "POST", path: "/v1/thaw", group: "policy", says: "Lets actions start again.", query: None, payload: Schema.Struct({ reason: Text, ...proof }), success: Change })
} as const
