// Capability tokens of the edge. The kernel signs the root, for a grant that it holds; whoever holds a token may narrow it
// with its own key, without asking the kernel; who uses one proves that it has the key that the last link names.
//
//   token   root~link~link…                                            compact JWS, EdDSA, at most five
//   root    hdr {"alg":"EdDSA","typ":"aaax-cap+jwt","kid":<thumbprint of the kernel's key>}
//           {"v":1,"iss":<kernel>,"aud":<kernel>,"sub":<holder>,"jti":<grant>,"iat":<s>,"ep":<epoch>,"cnf":{"jkt":<holder's key>},"cav":{…}}
//   link    hdr {"alg":"EdDSA","typ":"aaax-del+jwt","jwk":<public key of who delegates>}
//           {"v":1,"par":<sha-256 of the token before it>,"sub":<delegate>,"jti","ep":<its epoch>,"cnf":{"jkt":<its key>},"cav":{…}}
//   proof   hdr {"alg":"EdDSA","typ":"aaax-pop+jwt","jwk":<public key of who asks>}
//           {"sub":<system>,"aud":<kernel>,"nonce":<of this start>,"iat":<s>,"jti","htm":<method>,"htu":<path and query>,"bh":<sha-256 of the body>,"ath"?:<sha-256 of the token>}
//
// Hashes are base64url. Nothing but these members is taken, in no other spelling.
import * as Schema from "effect/Schema"
import { Caveats } from "./authority.ts"
import { SystemId } from "./names.ts"
import { Role } from "./security.ts"

export const actTypes = { root: "aaax-cap+jwt", link: "aaax-del+jwt", proof: "aaax-pop+jwt" } as const

/** Between the links of a token; no character of base64url. */
export const actSeparator = "~"
/** Links of a token, its root included. */
export const actLinksMax = 5
/** A token, and a proof, in characters. */
export const actLengthMax = 8_192
export const proofLengthMax = 2_048
/** How far the time of a proof may be from the kernel's, in milliseconds. */
export const proofMillisMax = 60_000

/** `authorization: AAAX-Proof PROOF`. */
export const proofScheme = "AAAX-Proof"
/** In what the kernel answers with: the nonce that proofs must carry until it is started anew. */
export const nonceHeader = "aaax-nonce"

/** A public Ed25519 key. */
export const PublicKey = Schema.Struct({ crv: Schema.Literal("Ed25519"), kty: Schema.Literal("OKP"), x: Schema.String })
export interface PublicKey extends Schema.Schema.Type<typeof PublicKey> {}

/** Who a token is narrowed for: an enrolled system, its key and the epoch of that. */
export const KeyCard = Schema.Struct({
  system: SystemId,
  /** Thumbprint of its key (RFC 7638). */
  kid: Schema.String,
  /** Grows whenever its key is enrolled anew: tokens of before are good for nothing then. */
  epoch: Schema.Int
})
export interface KeyCard extends Schema.Schema.Type<typeof KeyCard> {}

/** An enrolled key, as everybody may see it. */
export const EnrolmentView = Schema.Struct({
  ...KeyCard.fields,
  x: Schema.String,
  role: Role,
  /** Globs over channel names; null: every PUBLIC channel. */
  channels: Schema.NullOr(Schema.Array(Schema.String)),
  /** Whether it may dock systems of its own, under its name or below it. */
  docks: Schema.Boolean,
  /** Kernel time in Unix milliseconds. */
  enrolledAt: Schema.Int
})
export interface EnrolmentView extends Schema.Schema.Type<typeof EnrolmentView> {}

/** What a key is enrolled with. */
export const EnrolmentRequest = Schema.Struct({
  name: SystemId,
  key: PublicKey,
  role: Schema.optionalKey(Role),
  channels: Schema.optionalKey(Schema.Array(Schema.String)),
  docks: Schema.optionalKey(Schema.Boolean),
  /** The name has a key already: this one takes its place, and every token of the name dies. */
  replace: Schema.optionalKey(Schema.Boolean)
})
export interface EnrolmentRequest extends Schema.Schema.Type<typeof EnrolmentRequest> {}

/** A new enrolment, with the name under which this kernel is meant in tokens and proofs. */
export const Enrolled = Schema.Struct({ ...EnrolmentView.fields, audience: Schema.String })
export interface Enrolled extends Schema.Schema.Type<typeof Enrolled> {}

/** The private half, as a remote system keeps it in a file of its own. */
export const EnrolledKey = Schema.Struct({
  ...PublicKey.fields,
  d: Schema.String,
  ...KeyCard.fields,
  audience: Schema.String
})
export interface EnrolledKey extends Schema.Schema.Type<typeof EnrolledKey> {}

export const RootToken = Schema.Struct({ token: Schema.String, grant: Schema.String, system: SystemId, caveats: Caveats })
export interface RootToken extends Schema.Schema.Type<typeof RootToken> {}

/** Whether a text that was given as a capability is a token, and not the id of a grant. */
export const isActToken = (text: string): boolean => text.startsWith("eyJ") && text.includes(".")
