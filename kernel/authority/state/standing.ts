// What the state says of standing approvals: giving, using and ending them, and which one answers an action.
import * as HashMap from "effect/HashMap"
import type { Standing } from "../../../protocol/approval.ts"
import { riskAtMost, type Risk } from "../../../protocol/authority.ts"
import { matchesGlob } from "../../../protocol/glob.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { lookup, type AuthorityState, type Draft } from "./state.ts"

export interface Shape {
  readonly system: SystemId
  readonly executor: string
  readonly action: string
  readonly target: string
  readonly risk: Risk
  readonly labels?: ReadonlyArray<string>
  /** Of its final arguments; asked for only when that decides. */
  readonly digest: () => string
}

/** Whether a standing approval is for actions of this shape, whenever they come. */
export const isFor = (standing: Standing, shape: Shape): boolean =>
  standing.system === shape.system && standing.executor === shape.executor && standing.action === shape.action &&
  riskAtMost(shape.risk, standing.riskMax) &&
  (shape.labels ?? []).every((label) => standing.labels?.includes(label) === true) &&
  (standing.isExact ? standing.target === shape.target : matchesGlob(standing.target, shape.target)) &&
  (standing.digest === undefined || standing.digest === shape.digest())

export const isLive = (standing: Standing, now: number): boolean =>
  now < standing.expiresAt && (standing.usesMax === null || standing.uses < standing.usesMax)

/** The standing approval that answers an action now: of several, the one that ends last. */
export const standingFor = (state: AuthorityState, shape: Shape, now: number): Standing | undefined => {
  let found: Standing | undefined
  for (const standing of HashMap.values(state.standing)) {
    if (!isLive(standing, now) || !isFor(standing, shape)) continue
    if (found === undefined || standing.expiresAt > found.expiresAt) found = standing
  }
  return found
}

/** Those that ended go when the next one is given. */
export const giveStanding = (state: Draft, standing: Standing): void => {
  state.standing = HashMap.set(HashMap.filter(state.standing, (held) => isLive(held, standing.at)), standing.id, standing)
}

export const dropStanding = (state: Draft, id: string): void => {
  state.standing = HashMap.remove(state.standing, id)
}

/** A system that is gone or revoked has nobody who vouched for what comes under its name next. */
export const dropStandingOf = (state: Draft, system: SystemId): void => {
  state.standing = HashMap.filter(state.standing, (standing) => standing.system !== system)
}

export const useStanding = (state: Draft, id: string): void => {
  const standing = lookup(state.standing, id)
  if (standing !== undefined) state.standing = HashMap.set(state.standing, id, { ...standing, uses: standing.uses + 1 })
}
