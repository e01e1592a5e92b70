// Proof of possession: that who sends a request has the key of the system that it says it is, made for this very request and
// taken once. The shape is that of RFC 9449.
import { actTypes, proofLengthMax, proofMillisMax, type EnrolmentView } from "../../../protocol/act.ts"
import { readCompact, thumbprintInput, type Fields } from "../../../protocol/jws.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { hasExactly, signerOf, type ActCrypto, type Unread } from "./chain.ts"
import type { Proofs } from "./proofs.ts"

/** What a proof is held against. */
export interface ProvenRequest {
  readonly method: string
  /** Path and query, as they came. */
  readonly target: string
  readonly nonce: string
}

export interface ProofContext {
  readonly crypto: ActCrypto
  readonly audience: string | null
  readonly enrolled: (system: SystemId) => EnrolmentView | undefined
  /** Kernel time in Unix milliseconds. */
  readonly now: () => number
  readonly proofs: Proofs
}

export interface Proof {
  readonly enrolment: EnrolmentView
  /** sha-256 of the token that it goes with; undefined: it goes with none. */
  readonly token: string | undefined
  /**
   * Takes it for a body with this hash. The last step, and in one go: of two requests with one proof, one is taken. Why not,
   * or nothing.
   */
  readonly take: (bodyHash: string) => string | undefined
}

const members = ["sub", "aud", "nonce", "iat", "jti", "htm", "htu", "bh"]
const jtiOf = /^[\w-]{16,64}$/u
const hashOf = /^[\w-]{43}$/u

interface Claims {
  readonly sub: string
  readonly aud: string
  readonly nonce: string
  readonly iat: number
  readonly jti: string
  readonly htm: string
  readonly htu: string
  readonly bh: string
  readonly ath?: string
}

const claimsIn = (claims: Fields): Claims | undefined => {
  if (!hasExactly(claims, "ath" in claims ? [...members, "ath"] : members)) return undefined
  const { ath, aud, bh, htm, htu, iat, jti, nonce, sub } = claims
  if (typeof aud !== "string" || typeof htm !== "string" || typeof htu !== "string" || typeof nonce !== "string" || typeof sub !== "string") return undefined
  if (typeof iat !== "number" || typeof jti !== "string" || !jtiOf.test(jti) || typeof bh !== "string" || !hashOf.test(bh)) return undefined
  if (ath !== undefined && (typeof ath !== "string" || !hashOf.test(ath))) return undefined
  return { aud, bh, htm, htu, iat, jti, nonce, sub, ...(ath === undefined ? {} : { ath }) }
}

/** One sentence for whatever a stranger sends; who has an enrolled key is told what is wrong. */
const stranger: Unread = { refused: "" }
const refuse = (refused: string): Unread => ({ refused })

/** Whether a proof is one of an enrolled key for this request. It is taken by `take`, when its body is there. */
export const readProof = (text: string, request: ProvenRequest, context: ProofContext): Proof | Unread => {
  const { audience, crypto, now, proofs } = context
  if (text.length > proofLengthMax) return stranger
  const compact = readCompact(text)
  const x = compact === undefined ? undefined : signerOf(compact, actTypes.proof)
  const claims = compact === undefined ? undefined : claimsIn(compact.claims)
  if (compact === undefined || x === undefined || claims === undefined) return stranger
  const enrolment = context.enrolled(claims.sub)
  if (enrolment === undefined || crypto.sha256(thumbprintInput(x)) !== enrolment.kid) return stranger
  if (!crypto.verify(enrolment.x, compact.signed, compact.signature)) return stranger
  const { ath, aud, bh, htm, htu, iat, jti, nonce } = claims
  if (audience === null || aud !== audience) return refuse("the proof is for another kernel")
  if (nonce !== request.nonce) return refuse("the proof has not the nonce of this kernel's start")
  if (htm !== request.method) return refuse("the proof is for another method")
  if (htu !== request.target) return refuse("the proof is for another path")
  return {
    enrolment,
    token: ath,
    take: (bodyHash) => {
      if (bodyHash !== bh) return "the proof is for another body"
      // Asked now, because the body may have taken its time.
      const millis = Math.round(iat * 1_000 - now())
      if (!(Math.abs(millis) <= proofMillisMax)) {
        return `the time of the proof is ${Math.abs(millis)} ms ${millis < 0 ? "behind" : "ahead"}, at most ${proofMillisMax} are taken`
      }
      const { epoch, system } = enrolment
      if (context.enrolled(system)?.epoch !== epoch) return "the key was revoked"
      return proofs.take(system, jti, now())
    }
  }
}
