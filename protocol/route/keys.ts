// Routes of keys: those of systems outside, and those that tokens for grants are signed with.
import * as Schema from "effect/Schema"
import { Enrolled, EnrolmentRequest, EnrolmentView, PublicKey, RootToken } from "../act.ts"
import { None, row } from "./row.ts"

/** A set of public keys (RFC 7517), newest first. */
const KeySet = Schema.Struct({ keys: Schema.Array(Schema.Struct({ ...PublicKey.fields, kid: Schema.String })) })

export const keyRoutes = {
  keys: row({ method: "GET", path: "/v1/keys", group: "keys", says: "Keys of systems outside, by name.", query: None, payload: None, success: Schema.Array(EnrolmentView) }),
  enrollKey: row({
    method: "POST", path: "/v1/keys", group: "keys", says: "Enrolls the public key of a system outside.", query: None, payload: EnrolmentRequest, success: Enrolled, status: 201
  }),
  key: row({ method: "GET", path: "/v1/keys/:id", group: "keys", enrolled: true, says: "The key of one system, for whoever wants to delegate to it.", query: None, payload: None, success: Enrolled }),
  revokeKey: row({
    method: "DELETE", path: "/v1/keys/:id", group: "keys", query: None, payload: None, success: EnrolmentView,
    says: "Ends the key of a system and its grants at once, also for those who are connected with it."
  }),
  signingKeys: row({
    method: "GET", path: "/v1/signing-keys", group: "keys", enrolled: true, says: "Public keys that tokens for grants are signed with, newest first.", query: None, payload: None, success: KeySet
  }),
  rotateKey: row({
    method: "POST", path: "/v1/signing-keys", group: "keys", says: "Makes a new key for tokens. The one before stays good for what it signed, the one before that does not.",
    query: None, payload: None, success: KeySet
  }),
  grantToken: row({
    method: "POST", path: "/v1/capability-tokens", group: "capabilities", enrolled: true, query: None, success: RootToken, status: 201,
    says: "A token for a grant, which its holder may narrow for others with its own key.",
    payload: Schema.Struct({
      grant: Schema.NonEmptyString,
      /** Default: a day; at most 30, and never longer than the grant. */
      ttlSeconds: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0)))
    })
  })
} as const
