// What the holder of a claim does with it: release, update, checkpoint and hand-off. Who is not its holder, and who knows an
// older epoch, is refused.
import type { coordination } from "aaax"
import { conflictOf, leaseMillis } from "./claim.ts"
import type { Asker, Desk } from "./desk.ts"
import { claimsPerHolderMax } from "./limits.ts"
import { closesCircle, leaveLine, served } from "./line.ts"
import * as refusal from "./refusal.ts"
import { callerOn } from "./under-way.ts"

type Ask<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>
type Claim = coordination.Claim
type Applied = coordination.Applied | undefined

const transitions: Readonly<Record<coordination.ClaimStatus, ReadonlyArray<string>>> = {
  claimed: ["working", "done", "failed"],
  working: ["input_required", "done", "failed"],
  input_required: ["working", "done", "failed"],
  done: [],
  failed: []
}

const mayBecome = (from: coordination.ClaimStatus, to: string): to is coordination.ClaimStatus => from === to || transitions[from].includes(to)

const isStale = (claim: Claim, epoch: number | undefined): boolean => epoch !== undefined && epoch !== claim.epoch

const withKey = (applied: Applied): { readonly applied?: coordination.Applied } => (applied === undefined ? {} : { applied })

export const release = (desk: Desk, by: Asker, ask: Ask<"release">, applied: Applied): coordination.Answer<"release"> => {
  const task = ask.task.trim()
  if (task === "") return refusal.taskIdRequired
  const claim = desk.state.claims.get(task)
  if (claim === undefined) return refusal.notClaimed(task)
  if (claim.holder !== by.system) return refusal.notOwner(claim, by.seat)
  if (isStale(claim, ask.epoch)) return refusal.epochStale(claim)
  desk.enter({
    kind: "released", payload: { task, owner: claim.owner, epoch: claim.epoch, ...(ask.receipt === undefined ? {} : { receipt: ask.receipt }), ...withKey(applied) }
  }, by.id)
  served(desk, task)
  return { ok: true, task, owner: claim.owner }
}

export const update = (desk: Desk, by: Asker, ask: Ask<"update">, applied: Applied): coordination.Answer<"update"> => {
  const task = ask.task.trim()
  const claim = desk.state.claims.get(task)
  if (claim === undefined) return refusal.taskNotFound(task)
  if (claim.holder !== by.system) return refusal.ownedBy(claim, by.seat)
  if (isStale(claim, ask.epoch)) return refusal.epochStale(claim)
  if (ask.expectedVersion !== undefined && ask.expectedVersion !== claim.version) return refusal.versionConflict(task, claim.version)
  const status = ask.status?.trim() ?? ""
  if (status !== "" && !mayBecome(claim.status, status)) return refusal.transitionIllegal(claim, status)
  const changed: Claim = {
    ...claim,
    ...(status === "" ? {} : { status: status as coordination.ClaimStatus }), // it was looked at
    ...(ask.note === undefined ? {} : { note: ask.note.trim() }),
    ...(ask.dataRef === undefined ? {} : { dataRef: ask.dataRef.trim() }),
    version: claim.version + 1
  }
  desk.enter({ kind: "updated", payload: { claim: changed, ...withKey(applied) } }, by.id)
  return { ok: true, claim: changed }
}

export const checkpoint = (desk: Desk, by: Asker, ask: Ask<"checkpoint">, applied: Applied): coordination.Answer<"checkpoint"> => {
  const task = ask.task.trim()
  const claim = desk.state.claims.get(task)
  if (claim === undefined) return refusal.taskNotFound(task)
  if (claim.holder !== by.system) return refusal.ownedBy(claim, by.seat)
  if (isStale(claim, ask.epoch)) return refusal.epochStale(claim)
  const changed: Claim = { ...claim, checkpoint: ask.checkpoint, version: claim.version + 1 }
  desk.enter({ kind: "checkpointed", payload: { claim: changed, ...withKey(applied) } }, by.id)
  return { ok: true, task, version: changed.version }
}

export const handoff = (desk: Desk, by: Asker, ask: Ask<"handoff">, applied: Applied): coordination.Answer<"handoff"> => {
  const { state } = desk
  const task = ask.task.trim()
  const to = ask.to.trim()
  const target = state.seats.get(to)
  if (to !== "" && target?.online !== true) return refusal.targetOffline(to)
  if (task === "") return refusal.taskIdRequired
  if (target === undefined) return refusal.targetRequired
  const claim = state.claims.get(task)
  if (claim === undefined) return refusal.notClaimed(task)
  if (claim.holder !== by.system) return refusal.notOwner(claim, by.seat)
  if (target.system === by.system) return refusal.alreadyOwned(claim)
  if (isStale(claim, ask.epoch)) return refusal.epochStale(claim)
  // What only its holder might touch may touch others' files once it is somebody else's.
  const conflict = claim.mutex === true ? undefined : conflictOf(state, claim.worktree, claim.paths, target.system, task)
  if (conflict !== undefined) return refusal.scopeConflict(task, conflict)
  const caller = callerOn(state, claim, target.system)
  if (caller !== undefined) return refusal.callUnderWay(task, caller)
  if ((state.held.get(target.system)?.size ?? 0) >= claimsPerHolderMax) return refusal.quotaExceeded(task, `live claims of ${to}`, claimsPerHolderMax)
  if (closesCircle(state, target.system, task)) return refusal.handoffWouldDeadlock(task, to)
  const said = ask.note?.trim() ?? ""
  const handed: Claim = {
    ...claim, owner: to, holder: target.system, ...(said === "" ? {} : { note: said }), claimedAt: desk.now, expiresAt: desk.now + leaseMillis(),
    epoch: state.epoch + 1, version: 0
  }
  const note: coordination.Note = { task, author: by.seat, kind: "note", text: `handed off to ${to}${said === "" ? "" : `: ${said}`}`, at: desk.now }
  desk.enter({ kind: "handed", payload: { claim: handed, previousOwner: claim.owner, note, ...withKey(applied) } }, by.id)
  target.lastSeen = Math.max(target.lastSeen, desk.now)
  leaveLine(state, target.system, task)
  served(desk, task)
  return { ok: true, claim: handed, previousOwner: claim.owner, note }
}
