// Random mutations of valid tokens and proofs: of their characters, of the JSON inside them, of their order, signed again with
// keys that are not the right ones. None of them is good. Each round also asks for the unchanged one, which is.
import { prove } from "../../libos/client/key.ts"
import { actSeparator, type EnrolmentView } from "../../protocol/act.ts"
import type { Grant } from "../../protocol/authority.ts"
import { isUnread, readChain, type KernelKey } from "../../kernel/guard/act/chain.ts"
import { readProof } from "../../kernel/guard/act/proof.ts"
import { makeProofs } from "../../kernel/guard/act/proofs.ts"
import { presentedIn } from "../../kernel/authority/decide/token.ts"
import type { Entry } from "../../kernel/authority/entry.ts"
import { initial, lookup } from "../../kernel/authority/state/state.ts"
import { step } from "../../kernel/authority/state/step.ts"
import { actCrypto } from "../../kernel/power/act-crypto.ts"
import { compact, keyOf, narrowed, pair, rootClaims, rootHeader, signature, type Pair, type Party } from "../kit/act.ts"
import { makeRandom, type Random } from "../kit/random.ts"
import { numbers, seconds, type Torment } from "./torment.ts"

export interface MutationOptions {
  readonly mutations: number
  readonly seed: number
  readonly onMutation?: (done: number) => void
}

export interface MutationReport {
  readonly mutations: number
  readonly seed: number
  /** How many were made in each way, and taken in spite of it. */
  readonly made: Readonly<Record<string, number>>
  readonly accepted: number
  /** The first ones that were taken. */
  readonly wrong: ReadonlyArray<string>
  /** Unchanged tokens and proofs, which must all be taken. */
  readonly valid: number
  readonly validRefused: number
  /** Checks of a signature: what was refused before one cost nothing of the kind. */
  readonly signaturesChecked: number
  readonly millis: number
  readonly ok: boolean
}

const audience = "aaax:k:torture"
const nonce = "n".repeat(32)
const wrongMax = 20
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
const strange = ["=", " ", "\n", ".", "~", "+", "/", "\0", "é", "\uFEFF", "%3D", "A", "-"]

/** One character less, more, or another. */
const respelled = (text: string, random: Random): string => {
  const at = random.int(text.length)
  switch (random.int(5)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + random.int(4))
    case 1:
      return text.slice(0, at) + random.pick(strange) + text.slice(at)
    case 2:
      return text.slice(0, at) + alphabet[random.int(64)] + text.slice(at + 1)
    case 3: {
      const to = random.int(text.length)
      return text.slice(0, Math.min(at, to)) + text.slice(Math.max(at, to))
    }
    default:
      return text.slice(0, at) + random.pick(strange) + text.slice(at + 1)
  }
}

/** The last character of a part with other spare bits: a lenient decoder sees the same bytes. */
const withSpareBits = (text: string, random: Random): string => {
  const ends = [...text].flatMap((character, at) => (character === "." || character === "~" ? [at - 1] : [])).concat(text.length - 1)
  const at = random.pick(ends)
  return text.slice(0, at) + alphabet[(alphabet.indexOf(text[at] ?? "A") + 1 + random.int(3)) % 64] + text.slice(at + 1)
}

const values: ReadonlyArray<unknown> = [null, 0, -1, 1, 1e15, 1.5, "", "ada", "ben", "**", [], {}, true, "link:x", 2 ** 53, "kernel", "aaax:k:other"]

/** Another member, another value, or one less, somewhere in it. */
const otherJson = (value: unknown, random: Random): unknown => {
  if (typeof value !== "object" || value === null || random.chance(0.25)) return random.pick(values)
  if (Array.isArray(value)) return value.length === 0 ? [random.pick(values)] : value.map((item, at) => (at === 0 ? otherJson(item, random) : item))
  const copy = { ...value } as Record<string, unknown>
  const names = Object.keys(copy)
  const name = names.length === 0 ? "x" : random.pick(names)
  switch (random.int(4)) {
    case 0:
      delete copy[name]
      break
    case 1:
      copy[random.pick(["admin", "exp", "__proto_", "crit", "b64", "kid", "jwk", "jku", "usesMax", "riskMax", "targets", "sub", "ath"])] = random.pick(values)
      break
    default:
      copy[name] = otherJson(copy[name], random)
  }
  return copy
}

const decoded = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString("utf8"))
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A part of one JWS in the chain with other JSON; signed again by a stranger, or with the old signature. */
const otherClaims = (text: string, random: Random, by: ReadonlyArray<Pair>): string => {
  const parts = text.split(actSeparator)
  const at = random.int(parts.length)
  const [header = "", claims = "", mark = ""] = parts[at]!.split(".")
  const isHeader = random.chance(0.4)
  const changed = isHeader ? [encoded(otherJson(decoded(header), random)), claims] : [header, encoded(otherJson(decoded(claims), random))]
  const input = changed.join(".")
  parts[at] = `${input}.${random.chance(0.7) ? signature(input, random.pick(by)) : mark}`
  return parts.join(actSeparator)
}

/** JSON that reads the same and is written in another way. */
const otherWriting = (text: string, random: Random): string => {
  const parts = text.split(actSeparator)
  const at = random.int(parts.length)
  const [header = "", claims = "", mark = ""] = parts[at]!.split(".")
  const write = (part: string): string => {
    const json = Buffer.from(part, "base64url").toString("utf8")
    const other = random.pick([` ${json}`, `${json}\n`, json.replace(":", ": "), json.replace("{", "{ "), json.replace(/"([a-z])/u, (_, letter: string) => `"\\u00${letter.charCodeAt(0).toString(16)}`), json.replace("{", "{\"sub\":\"eve\","), json.replace("{", "{\"__proto__\":{},")])
    return Buffer.from(other).toString("base64url")
  }
  parts[at] = random.chance(0.5) ? `${write(header)}.${claims}.${mark}` : `${header}.${write(claims)}.${mark}`
  return parts.join(actSeparator)
}

const otherOrder = (text: string, random: Random, other: string): string => {
  const parts = text.split(actSeparator)
  switch (random.int(4)) {
    case 0:
      return random.shuffle(parts).join(actSeparator)
    case 1:
      return parts.filter((_, at) => at !== random.int(parts.length)).join(actSeparator)
    case 2:
      return [...parts, random.pick(other.split(actSeparator))].join(actSeparator)
    default: {
      const foreign = random.pick(other.split(actSeparator))
      const at = random.int(parts.length)
      return parts.map((part, place) => (place === at ? foreign : part)).join(actSeparator)
    }
  }
}

/** A signature of the right length that is another one: of a stranger, with a bit turned, or with its number respelled. */
const otherSignature = (text: string, random: Random, by: ReadonlyArray<Pair>): string => {
  const parts = text.split(actSeparator)
  const at = random.int(parts.length)
  const cut = parts[at]!.lastIndexOf(".")
  const signed = parts[at]!.slice(0, cut)
  const bytes = Buffer.from(parts[at]!.slice(cut + 1), "base64url")
  switch (random.int(4)) {
    case 0:
      return text.replace(parts[at]!, `${signed}.${signature(signed, random.pick(by))}`)
    case 1:
      bytes[random.int(64)]! ^= 1 << random.int(8)
      break
    case 2: {
      // S and S + L are the same to who does not look whether it is below L.
      const order = 2n ** 252n + 27742317777372353535851937790883648493n
      let sum = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString("hex")}`) + order
      for (let place = 32; place < 64; place++, sum >>= 8n) bytes[place] = Number(sum & 255n)
      break
    }
    default:
      bytes.fill(0, random.pick([0, 32]), random.pick([32, 64]))
  }
  parts[at] = `${signed}.${bytes.toString("base64url")}`
  return parts.join(actSeparator)
}

export const mutations = async ({ mutations: wanted, onMutation, seed }: MutationOptions): Promise<MutationReport> => {
  const begun = Date.now()
  const random = makeRandom(seed)
  const kernelKey = pair()
  const keys: ReadonlyArray<KernelKey> = [{ kid: kernelKey.kid, x: kernelKey.x }]
  const now = 1_700_000_000_000
  let state = initial
  let cursor = 0
  const keep = (entry: Entry): void => void (state = step(state, { cursor: ++cursor, hash: "", entry }))
  const enrol = (system: string): Party => {
    const made = pair()
    keep({ kind: "key.enrolled", at: now, enrolment: { system, kid: made.kid, x: made.x, role: "write", channels: null, docks: false } })
    return { ...made, system, epoch: cursor }
  }
  keep({ kind: "edge.keyed", at: now, audience, generation: 1, kid: kernelKey.kid, x: kernelKey.x })
  const parties = [enrol("ada"), enrol("ben"), enrol("cy")]
  const grant: Omit<Grant, "id" | "holder"> = { resource: "note", access: "execute", caveats: {}, parent: null, issuedAt: 0, origin: "", scope: {} }
  for (const { system } of parties) keep({ kind: "grant.issued", at: now, grant: { ...grant, id: `g-${system}`, holder: system } })

  let signaturesChecked = 0
  const crypto = { ...actCrypto, verify: (x: string, signed: string, mark: Uint8Array) => (signaturesChecked++, actCrypto.verify(x, signed, mark)) }
  const stranger = pair()

  const makeToken = (): { readonly token: string; readonly holder: Party } => {
    let holder = random.pick(parties)
    let token = compact(rootHeader(kernelKey.kid), { ...rootClaims(audience, `g-${holder.system}`, holder), iat: random.int(1_000_000) }, kernelKey)
    for (let more = random.int(4); more > 0; more--) {
      const to = random.pick(parties)
      token = narrowed(token, holder, to, random.chance(0.5) ? { targets: ["a/**"], riskMax: "low" } : { usesMax: 1 + random.int(9) })
      holder = to
    }
    return { token, holder }
  }
  /** As the decision takes it: whoever of the three presents it. */
  const takes = (token: string): boolean => {
    const chain = readChain(token, keys, crypto)
    return !isUnread(chain) && parties.some(({ system }) => !("refused" in presentedIn(state, chain, system, now)))
  }
  const request = { method: "POST", target: "/v1/actions", nonce }
  const bodyHash = actCrypto.sha256("body")
  const takesProof = (proof: string): boolean => {
    const read = readProof(proof, request, {
      crypto, audience, now: () => now, proofs: makeProofs(),
      enrolled: (system): EnrolmentView | undefined => lookup(state.edge.enrolled, system)
    })
    return !("refused" in read) && read.take(bodyHash) === undefined
  }

  const made: Record<string, number> = {}
  const wrong: Array<string> = []
  let done = 0
  let accepted = 0
  let valid = 0
  let validRefused = 0
  while (done < wanted) {
    const { holder, token } = makeToken()
    const other = makeToken().token
    const proof = await prove(keyOf(holder, holder.system, holder.epoch, audience), { ...request, body: "body", token, at: now })
    valid += 2
    validRefused += Number(!takes(token)) + Number(!takesProof(proof))
    // What a holder signs itself is no forgery; these keys are not the one that is asked for.
    const forgers = [stranger]
    for (let round = 0; round < 500 && done < wanted; round++) {
      const isProof = random.chance(0.25)
      const text = isProof ? proof : token
      const kind = random.pick(["respelled", "spare bits", "claims", "writing", "order", "signature", "kinds"])
      const mutant = kind === "respelled" ? respelled(text, random)
        : kind === "spare bits" ? withSpareBits(text, random)
        : kind === "claims" ? otherClaims(text, random, forgers)
        : kind === "writing" ? otherWriting(text, random)
        : kind === "order" ? otherOrder(text, random, isProof ? token : other)
        : kind === "signature" ? otherSignature(text, random, forgers)
        : isProof ? random.pick(token.split(actSeparator)) : token.replace(random.pick(token.split(actSeparator)), proof)
      // Some changes change nothing, and some make another token that was good before.
      const same = mutant === text || (!isProof && (token.startsWith(`${mutant}${actSeparator}`) || other === mutant || other.startsWith(`${mutant}${actSeparator}`)))
      if (same) continue
      done++
      made[kind] = (made[kind] ?? 0) + 1
      if (isProof ? takesProof(mutant) : takes(mutant)) {
        accepted++
        if (wrong.length < wrongMax) wrong.push(`${kind}: ${mutant}`)
      }
      if (done % 10_000 === 0) {
        onMutation?.(done)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
  return {
    mutations: done, seed, made, accepted, wrong, valid, validRefused, signaturesChecked, millis: Date.now() - begun,
    ok: accepted === 0 && validRefused === 0 && Object.keys(made).length === 7
  }
}

export const mutationsTorment: Torment = {
  option: "mutations",
  argument: "N",
  says: "changes valid tokens and proofs of the edge N times, in characters, JSON, order and signature, and checks that none is taken",
  run: async ({ count, progress, seed }) => {
    const report = await mutations({ mutations: count, seed, onMutation: (done) => progress(`${done}/${count} made`) })
    return {
      report,
      lines: [
        `${report.mutations} mutations in ${seconds(report.millis)}: ${Object.entries(report.made).map(([kind, times]) => `${kind} ${times}`).join(", ")}; ${report.signaturesChecked} signatures checked`,
        ...numbers(report, "accepted", "valid", "validRefused"),
        ...report.wrong.map((one) => `wrong: ${one}`)
      ]
    }
  }
}
