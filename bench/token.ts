// Capability tokens of the edge, without I/O: read for the first time against nothing but their signatures, and again.
import * as Effect from "effect/Effect"
import { createPublicKey, verify, type KeyObject } from "node:crypto"
import { presentedIn } from "../kernel/authority/decide/token.ts"
import type { Entry } from "../kernel/authority/entry.ts"
import { initial, type AuthorityState } from "../kernel/authority/state/state.ts"
import { step } from "../kernel/authority/state/step.ts"
import { isUnread, readChain, type KernelKey } from "../kernel/guard/act/chain.ts"
import { makeChainReader } from "../kernel/guard/act/reader.ts"
import { actCrypto } from "../kernel/power/act-crypto.ts"
import { compact, jwkOf, kernelKeyOf, narrowed, pair, rootClaims, rootHeader, type Party } from "../test/kit/act.ts"
import { inTurns, timed } from "./measure.ts"
import { rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"

const audience = "aaax:bench:1"
const now = 1_750_000_000_000

interface Signed {
  readonly text: Buffer
  readonly signature: Buffer
  readonly key: KeyObject
}

const taken = (state: AuthorityState, chain: ReturnType<typeof readChain>): void => {
  if (isUnread(chain) || "refused" in presentedIn(state, chain, "ben", now)) throw new Error("expected that it is taken")
}

/** Tokens of one link, each with its own text, with the signatures in them taken apart for the baseline. */
const worldOf = (tokens: number) => {
  const kernel = pair()
  let state = initial
  let cursor = 0
  const keep = (entry: Entry): void => void (state = step(state, { cursor: ++cursor, hash: "", entry }))
  const enrol = (system: string): Party => {
    const made = pair()
    keep({ kind: "key.enrolled", at: now, enrolment: { system, kid: made.kid, x: made.x, role: "write", channels: null, docks: false } })
    return { ...made, system, epoch: cursor }
  }
  keep({ kind: "edge.keyed", at: now, audience, generation: 1, kid: kernel.kid, x: kernel.x })
  const [ada, ben] = [enrol("ada"), enrol("ben")]
  keep({
    kind: "grant.issued", at: now,
    grant: { id: "g1", holder: "ada", resource: "note", access: "execute", caveats: {}, parent: null, issuedAt: 0, origin: "", scope: {} }
  })
  const texts = Array.from({ length: tokens }, (_, at) =>
    narrowed(compact(rootHeader(kernel.kid), { ...rootClaims(audience, "g1", ada), iat: at }, kernel), ada, ben, { targets: ["reports/**"], riskMax: "low" }))
  const keyOf = (x: string): KeyObject => createPublicKey({ key: jwkOf({ x }), format: "jwk" })
  const [kernels, adas] = [keyOf(kernel.x), keyOf(ada.x)]
  const signed = texts.map((text) => text.split("~").map((part, at): Signed => {
    const cut = part.lastIndexOf(".")
    return { text: Buffer.from(part.slice(0, cut)), signature: Buffer.from(part.slice(cut + 1), "base64url"), key: at === 0 ? kernels : adas }
  }))
  const keys: ReadonlyArray<KernelKey> = [kernelKeyOf(kernel)]
  return { keys, signed, state, texts }
}

export const token = Effect.fnUntraced(function*({ count, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown> {
  const tokens = count(2_000, 20)
  const { keys, signed, state, texts } = worldOf(tokens)
  const cold = yield* inTurns(rounds, {
    ours: timed(tokens, Effect.sync(() => {
      for (const text of texts) taken(state, readChain(text, keys, actCrypto))
    })),
    "node:crypto": timed(tokens, Effect.sync(() => {
      for (const parts of signed) for (const { key, signature, text } of parts) if (!verify(null, text, key, signature)) throw new Error("expected that it is right")
    }))
  })
  const again = count(200_000, 100)
  const read = makeChainReader(actCrypto)
  const warm = yield* inTurns(rounds, {
    ours: timed(again, Effect.sync(() => {
      for (let at = 0; at < again; at++) taken(state, read(texts[at % Math.min(100, tokens)]!, keys))
    }))
  })
  return [
    rowOf(cold, "cpuMicros", {
      id: "token/cold", what: "token of one link read for the first time, against its two signatures alone", lowerIsBetter: true,
      floor: { of: "node:crypto", bar: 1.3 }
    }),
    rowOf(warm, "rate", { id: "token/warm", what: "token that was read before, asked whether it still stands", floor: { of: null, bar: 100_000 } })
  ]
})
