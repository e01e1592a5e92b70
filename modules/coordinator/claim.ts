// Claims: granting a task with its files, or saying who is in the way. A claim by its holder renews it and keeps what it is.
import { scope, type coordination, type SystemId } from "aaax"
import type { Asker, Desk } from "./desk.ts"
import { claimsMax, claimsPerHolderMax, pathLengthMax, pathsMax, pathsTextMax, ttlSecondsDefault, ttlSecondsMax, ttlSecondsMin } from "./limits.ts"
import * as refusal from "./refusal.ts"
import type { ClaimAsk, State } from "./state.ts"
import { callerOn } from "./under-way.ts"

type Claim = coordination.Claim

/** How long a lease is, in milliseconds. */
export const leaseMillis = (ttlSeconds = ttlSecondsDefault): number =>
  Math.round(Math.min(ttlSecondsMax, Math.max(ttlSecondsMin, ttlSeconds)) * 1_000)

/** The claim that a seat would be given, or why it is not. */
export const grantOf = (state: State, by: Pick<Asker, "seat" | "system">, ask: ClaimAsk, now: number): Claim | coordination.Refusal => {
  const task = ask.task.trim()
  if (task === "") return refusal.taskIdRequired
  const before = state.claims.get(task)
  if (before !== undefined && before.holder !== by.system) return refusal.leaseLive(before)
  if (ask.expectedEpoch !== undefined && ask.expectedEpoch !== (before?.epoch ?? 0)) {
    return before === undefined ? refusal.notClaimed(task) : ask.expectedEpoch === 0 ? refusal.leaseLive(before) : refusal.epochStale(before)
  }
  const given = before === undefined || ask.paths !== undefined || ask.worktree !== undefined || ask.mutex !== undefined ? placeOf(state, task, ask, before) : before
  if ("ok" in given) return given
  const isMutex = given.mutex === true
  if (before === undefined && (state.held.get(by.system)?.size ?? 0) >= claimsPerHolderMax) {
    return refusal.quotaExceeded(task, `live claims of ${by.seat}`, claimsPerHolderMax)
  }
  if (before === undefined && state.claims.size >= claimsMax) return refusal.quotaExceeded(task, "live claims", claimsMax)
  const conflict = isMutex ? undefined : conflictOf(state, given.worktree, given.paths, by.system, task)
  if (conflict !== undefined) return refusal.scopeConflict(task, conflict)
  const caller = before === undefined ? callerOn(state, given, by.system) : undefined
  if (caller !== undefined) return refusal.callUnderWay(task, caller)
  const git = ask.git ?? before?.git
  return {
    task,
    owner: by.seat,
    holder: by.system,
    note: ask.note?.trim() ?? before?.note ?? "",
    status: before?.status ?? "claimed",
    dataRef: before?.dataRef ?? "",
    worktree: given.worktree,
    paths: given.paths,
    ...(isMutex ? { mutex: true } : {}),
    ...(git === undefined ? {} : { git }),
    claimedAt: before?.claimedAt ?? now,
    expiresAt: now + leaseMillis(ask.ttlSeconds),
    epoch: state.epoch + 1,
    version: before?.version ?? 0,
    checkpoint: before?.checkpoint ?? state.checkpoints.get(task) ?? ""
  }
}

/** The claim of somebody else that these files touch. */
export const conflictOf = (state: State, worktree: string, paths: ReadonlyArray<string>, system: SystemId, task: string): Claim | undefined => {
  const other = state.scopes.firstConflict(worktree, paths, system, task)
  return other === undefined ? undefined : state.claims.get(other)
}

const placeOf = ({ folder }: State, task: string, ask: ClaimAsk, before: Claim | undefined): Pick<Claim, "worktree" | "paths"> & { readonly mutex?: boolean } | coordination.Refusal => {
  const paths = ask.paths ?? before?.paths ?? []
  if (paths.length > pathsMax) return refusal.quotaExceeded(task, "paths of one claim", pathsMax)
  let text = 0
  for (const path of paths) {
    if (path.length > pathLengthMax) return refusal.pathInvalid(task, `one is longer than ${pathLengthMax} characters`)
    if (path.includes("\0")) return refusal.pathInvalid(task, "one has a null character")
    text += path.length
  }
  if (text > pathsTextMax) return refusal.pathInvalid(task, `together they are longer than ${pathsTextMax} characters`)
  const worktree = ask.worktree ?? before?.worktree ?? ""
  return { worktree, paths: scope.normaliseScope(paths, scope.placeOf(worktree, folder)), mutex: ask.mutex ?? before?.mutex ?? false }
}

/** Enters a grant, and answers it. */
export const take = (desk: Desk, claim: Claim, cause: string, applied: coordination.Applied | undefined): coordination.Answer<"claim"> => {
  const renewed = desk.state.claims.has(claim.task)
  desk.enter({ kind: "claimed", payload: { claim, renewed, ...(applied === undefined ? {} : { applied }) } }, cause)
  return { ok: true, claim, renewed }
}
