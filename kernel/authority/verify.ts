// Whether a grant covers an act: the conjunction of every link's caveats up to its root, and if not, why. Fails closed.
import { covers, riskAtMost, type Access, type Caveats, type GrantRefusal, type Risk } from "../../protocol/authority.ts"
import type { SystemId } from "../../protocol/names.ts"
import { linksMax } from "../limits.ts"
import { argumentInWords, readyOf, satisfies, type Test } from "./caveats.ts"
import { lookup, type AuthorityState, type HeldGrant } from "./state/state.ts"

export interface Asked {
  readonly token: string
  readonly holder: SystemId
  readonly resource: string
  readonly access: Access
  /** For an action: the word for it, what it touches, how risky it is, and its final payload. */
  readonly action?: string
  readonly target?: string
  readonly risk?: Risk
  readonly payload?: unknown
  /** Its payload was looked at before and is bound by its digest since; it is not at hand. */
  readonly isBound?: boolean
  /** Its use was charged when it was started; it goes on, and is not counted again. */
  readonly isCharged?: boolean
}

const unknown = (reason = "Invalid or expired capability token"): GrantRefusal => ({ code: "unknown", reason })

const matches = (tests: ReadonlyArray<Test>, text: string): boolean => {
  for (const test of tests) if (test(text)) return true
  return false
}

/** Starts are counted within any span of time, not from one full minute to the next. */
const isTooOften = ({ grant, starts = [] }: HeldGrant, now: number): boolean => {
  const { rate } = grant.caveats
  if (rate === undefined || starts.length < rate.count) return false
  return now - starts[starts.length - rate.count]! < rate.perMillis
}

/**
 * The first caveat of one link that does not hold, `depth` links below which the grant is used. Nothing is allocated on
 * the way. What a budget leaves is known where it is reserved (state/budgets.ts): a call is charged there, link by link.
 */
const broken = (held: HeldGrant, asked: Asked, depth: number, now: number): keyof Caveats | "unknown" | undefined => {
  const { caveats } = held.grant
  const ready = readyOf(caveats)
  if (ready === undefined) return "unknown"
  if (caveats.expiresAt !== undefined && now >= caveats.expiresAt) return "expiresAt"
  if (caveats.notBefore !== undefined && now < caveats.notBefore) return "notBefore"
  if (caveats.delegationsMax !== undefined && depth > caveats.delegationsMax) return "delegationsMax"
  if (caveats.riskMax !== undefined && (asked.risk === undefined || !riskAtMost(asked.risk, caveats.riskMax))) return "riskMax"
  if (ready.actions !== undefined && (asked.action === undefined || !matches(ready.actions, asked.action))) return "actions"
  if (ready.targets !== undefined && (asked.target === undefined || !matches(ready.targets, asked.target))) return "targets"
  if (ready.arguments !== undefined && asked.isBound !== true && !ready.arguments.every((one) => satisfies(one, asked.payload))) return "arguments"
  if (asked.isCharged === true) return undefined
  if (caveats.usesMax !== undefined && held.uses >= caveats.usesMax) return "usesMax"
  return caveats.rate !== undefined && isTooOften(held, now) ? "rate" : undefined
}

const seconds = (millis: number): string => (millis < 1_000 ? `${millis} ms` : `${Math.round(millis / 1_000)} s`)

/** What one caveat of a link would allow, in words. */
const allowedBy = (held: HeldGrant, name: keyof Caveats | "unknown", asked: Asked, now: number): readonly [string, string | undefined] => {
  const { caveats } = held.grant
  switch (name) {
    case "expiresAt":
      return [`it ended ${seconds(now - (caveats.expiresAt ?? now))} ago`, undefined]
    case "notBefore":
      return [`it begins in ${seconds((caveats.notBefore ?? now) - now)}`, "the same, from then on"]
    case "riskMax":
      return [`the risk is ${asked.risk ?? "not known"}`, `risk ${caveats.riskMax} at most`]
    case "actions":
      return [`the action is ${asked.action ?? "not known"}`, `actions ${caveats.actions?.join(", ")}`]
    case "targets":
      return [`the target is ${asked.target ?? "not known"}`, `targets ${caveats.targets?.join(", ")}`]
    case "arguments": {
      const wrong = readyOf(caveats)?.arguments?.find((one) => !satisfies(one, asked.payload))
      return ["an argument is not what it must be", wrong === undefined ? undefined : argumentInWords(wrong.caveat)]
    }
    case "usesMax":
      return [`all ${caveats.usesMax} uses are used up`, undefined]
    case "rate": {
      const { count = 0, perMillis = 0 } = caveats.rate ?? {}
      const { starts = [] } = held
      return [`it was used ${count} times within ${seconds(perMillis)}`, `the next one in ${seconds((starts[starts.length - count] ?? now) + perMillis - now)}`]
    }
    case "delegationsMax":
      return ["it was delegated too often", `${caveats.delegationsMax} links below it`]
    default:
      return ["a caveat of it is not known to this kernel", undefined]
  }
}

const caveatRefusal = (held: HeldGrant, name: keyof Caveats | "unknown", asked: Asked, depth: number, now: number): GrantRefusal => {
  const [why, allowed] = allowedBy(held, name, asked, now)
  const where = depth === 0 ? "" : ` of ${held.grant.id}, which it was delegated from,`
  return {
    code: "caveat", caveat: name, link: held.grant.id,
    reason: `The capability does not cover this: ${name}${where} does not hold: ${why}`,
    ...(allowed === undefined ? {} : { allowed }),
    how: depth === 0 ? "Ask for another one on aaax.capability-request." : "Ask who delegated it, or for one of your own on aaax.capability-request."
  }
}

/* hot */
/** Why the grant, or a link above it, does not allow what is asked at `now`; undefined: they all do. */
export const refusalOf = (state: AuthorityState, asked: Asked, now: number): GrantRefusal | undefined => {
  let id: string | null = asked.token
  for (let depth = 0; id !== null; depth++) {
    if (depth === linksMax) return { code: "depth", link: asked.token, reason: `The capability was delegated more than ${linksMax - 1} times` }
    const held: HeldGrant | undefined = lookup(state.grants, id)
    if (held === undefined) return unknown()
    const { access, holder, resource } = held.grant
    // Who does not hold it learns nothing of it.
    if (depth === 0 && holder !== asked.holder) return unknown()
    if (resource !== asked.resource) {
      return { code: "resource", link: id, reason: "Invalid or expired capability token", allowed: resource, how: `It is for ${resource}, not for ${asked.resource}.` }
    }
    if (!covers(access, asked.access)) {
      return { code: "access", link: id, reason: "Invalid or expired capability token", allowed: access, how: `Ask for ${asked.access} on ${resource}.` }
    }
    const caveat = broken(held, asked, depth, now)
    if (caveat !== undefined) {
      const refusal = caveatRefusal(held, caveat, asked, depth, now)
      // A link that is over is no capability any more, in the words that everybody knows.
      return caveat === "expiresAt" || caveat === "unknown" ? { ...refusal, reason: "Invalid or expired capability token" } : refusal
    }
    id = held.grant.parent
  }
  return undefined
}

/** Whether the grant, and every link above it, allows what is asked at `now`. */
export const allows = (state: AuthorityState, asked: Asked, now: number): boolean => refusalOf(state, asked, now) === undefined

/** The grants from this one up to its root, as far as they are there. */
export const chainOf = (state: AuthorityState, token: string | null): ReadonlyArray<HeldGrant> => {
  const chain: Array<HeldGrant> = []
  for (let id = token; id !== null && chain.length < linksMax; ) {
    const held: HeldGrant | undefined = lookup(state.grants, id)
    if (held === undefined) break
    chain.push(held)
    id = held.grant.parent
  }
  return chain
}

/** The grants above one, nearest first, as a member of its warrant; nothing for one that was not delegated. */
export const aboveOf = (state: AuthorityState, token: string | null): { readonly chain?: ReadonlyArray<string> } => {
  const parent = token === null ? undefined : lookup(state.grants, token)?.grant.parent
  return parent === undefined || parent === null ? alone : { chain: chainOf(state, parent).map(({ grant }) => grant.id) }
}

const alone = {}

/** Actions that may still be started under a chain; null: as many as its rate and its time allow. */
export const usesLeft = (chain: ReadonlyArray<HeldGrant>): number | null => {
  let left: number | null = null
  for (const { grant: { caveats: { usesMax } }, uses } of chain) {
    if (usesMax !== undefined) left = Math.min(left ?? Infinity, Math.max(0, usesMax - uses))
  }
  return left
}

/** When the first link of a chain ends; undefined: none does by itself. */
export const endOf = (chain: ReadonlyArray<HeldGrant>): number | undefined => {
  let end: number | undefined
  for (const { grant: { caveats: { expiresAt } } } of chain) if (expiresAt !== undefined) end = Math.min(end ?? Infinity, expiresAt)
  return end
}
