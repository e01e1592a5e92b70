// What is said no with. The words are the ancestor's wherever it has some: people and programs know them.
import type { coordination } from "aaax"
import type { Losses } from "./state.ts"

type Refusal = coordination.Refusal
type Claim = coordination.Claim

const refuse = (code: coordination.RefusalCode, message: string, more: Partial<Pick<Refusal, "holder" | "conflict" | "current">> = {}): Refusal =>
  ({ ok: false, code, message, ...more })

export const taskIdRequired: Refusal = refuse("TASK_ID_REQUIRED", "Task ID is required.")
export const titleRequired: Refusal = refuse("TITLE_REQUIRED", "Task title is required.")
export const targetRequired: Refusal = refuse("TARGET_REQUIRED", "Handoff target is required.")
export const offerIncomplete: Refusal = refuse("OFFER_INCOMPLETE", "resource offer requires kind+name")

export const leaseLive = (claim: Claim): Refusal =>
  refuse("LEASE_LIVE", `Task '${claim.task}' is already claimed by ${claim.owner}.`, { holder: claim.owner, conflict: claim.task })
export const scopeConflict = (task: string, other: Claim): Refusal =>
  refuse("SCOPE_CONFLICT", `Task '${task}' file scope conflicts with '${other.task}' held by ${other.owner}.`, { holder: other.owner, conflict: other.task })
export const callUnderWay = (task: string, system: string): Refusal =>
  refuse("SCOPE_CONFLICT", `Task '${task}' file scope conflicts with a call of ${system} that is under way.`, { holder: system })
export const pathInvalid = (task: string, reason: string): Refusal => refuse("PATH_IDENTITY_INVALID", `Task '${task}' has a path that cannot be claimed: ${reason}.`)
export const quotaExceeded = (task: string, what: string, max: number): Refusal =>
  refuse("QUOTA_EXCEEDED", `Task '${task}' cannot be claimed: ${what} are at most ${max}.`, { current: max })
export const notClaimed = (task: string): Refusal => refuse("NOT_CLAIMED", `Task '${task}' is not currently claimed.`)
export const notOwner = (claim: Claim, seat: string): Refusal =>
  refuse("NOT_OWNER", `Task '${claim.task}' is owned by ${claim.owner}, not ${seat}.`, { holder: claim.owner })
/** As the ancestor says it of updates and checkpoints. */
export const ownedBy = (claim: Claim, seat: string): Refusal =>
  refuse("NOT_OWNER", `Task '${claim.task}' owned by ${claim.owner}, not ${seat}.`, { holder: claim.owner })
export const epochStale = (claim: Claim): Refusal =>
  refuse("EPOCH_STALE", `Task '${claim.task}' epoch is stale (current ${claim.epoch}).`, { current: claim.epoch })
export const versionConflict = (task: string, version: number): Refusal =>
  refuse("VERSION_CONFLICT", `Task '${task}' version conflict (current ${version}).`, { current: version })
export const transitionIllegal = (claim: Claim, to: string): Refusal =>
  refuse("TRANSITION_ILLEGAL", `Task '${claim.task}' cannot transition ${claim.status} -> ${to}.`)
export const taskNotFound = (task: string): Refusal => refuse("TASK_NOT_FOUND", `Task '${task}' not found.`)
export const notOnBoard = (task: string): Refusal => refuse("TASK_NOT_FOUND", `Task '${task}' is not on the board.`)
export const targetOffline = (seat: string): Refusal => refuse("TARGET_OFFLINE", `Handoff target '${seat}' is not online.`)
export const alreadyOwned = (claim: Claim): Refusal => refuse("ALREADY_OWNED", `Task '${claim.task}' is already owned by ${claim.owner}.`)
export const nothingToWaitFor = (task: string): Refusal => refuse("NOT_CLAIMED", `Task '${task}' is not claimed; nothing to wait for.`)
export const alreadyHeld = (task: string): Refusal => refuse("ALREADY_HELD", `You already hold '${task}'.`)
export const wouldDeadlock = (task: string, holder: string): Refusal =>
  refuse("WOULD_DEADLOCK", `Waiting for '${task}' held by ${holder} would deadlock.`, { holder })
export const handoffWouldDeadlock = (task: string, to: string): Refusal =>
  refuse("WOULD_DEADLOCK", `Handing '${task}' to ${to} would deadlock: it waits for somebody who waits for '${task}'.`, { holder: to })
export const dependencyCycle = (task: string): Refusal => refuse("DEPENDENCY_CYCLE", `Task '${task}' dependencies would form a cycle.`)
export const underClaim = (claim: Claim): Refusal =>
  refuse("NOT_OWNER", `Task '${claim.task}' is under a live claim of ${claim.owner}, and is not opened again by anybody else.`, { holder: claim.owner, conflict: claim.task })
export const statusUnknown = (status: string): Refusal => refuse("STATUS_UNKNOWN", `Unknown ledger status '${status}'.`)
export const kindUnknown = (kind: string): Refusal => refuse("KIND_UNKNOWN", `Unknown progress kind '${kind}'.`)
export const keyConflict = (key: string): Refusal => refuse("IDEMPOTENCY_CONFLICT", `Key '${key}' was used for another request.`)
export const messageNotFound = (message: number): Refusal => refuse("MESSAGE_NOT_FOUND", `Message ${message} is not one that this seat was sent.`)
export const nameConflict = (seat: string): Refusal =>
  refuse("NAME_CONFLICT", `Name '${seat}' is already online from another session. Use a unique --name.`, { holder: seat })
export const invalid = (reason: string): Refusal => refuse("INVALID", reason)
export const withdrawn: Refusal = refuse("INVALID", "It was withdrawn before it was its turn.")
export const full = (what: string, max: number): Refusal => refuse("QUOTA_EXCEEDED", `${what} are at most ${max}.`, { current: max })
/** Who may have been granted what is in an entry that cannot be read, nobody knows. */
export const ledgerDamaged = ({ entries, places, scopes }: Losses): Refusal => {
  const [{ from, to } = { from: 0, to: 0 }] = places
  const where = `coordination.ledger#${from}${to === from ? "" : `..${to}`}${places.length > 1 ? ` and ${places.length - 1} other${places.length > 2 ? "s" : ""}` : ""}`
  const whose = scopes.length === 0 ? "" : ` They may be of ${scopes.slice(0, 3).map(({ task }) => `'${task}'`).join(", ")}${scopes.length > 3 ? ` and ${scopes.length - 3} more` : ""}.`
  return refuse(
    "LEDGER_DAMAGED",
    `${entries} ${entries === 1 ? "entry" : "entries"} of claims and plan cannot be read (${where}), so neither is changed: somebody else might own it.${whose} The operator ends this: aaax claims accept-loss`,
    { current: entries }
  )
}
export const operatorOnly: Refusal = refuse("OPERATOR_ONLY", "That is for the operator: whoever presents the operator's token, or the hub's. A hub that asks for none is started with --accept-loss.")
export const unavailable: Refusal = refuse("UNAVAILABLE", "It could not be written down, and nothing was changed. Ask again.")
