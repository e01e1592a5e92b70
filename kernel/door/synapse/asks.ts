// From a client's frame to what the coordinator is asked, by type. The words are the ancestor's, with their other names; what has
// the wrong type is refused and not taken for something else, except where the ancestor's clients rely on it.
import type { Ask } from "../../../protocol/coordination.ts"
import type { AgentType } from "../../../protocol/synapse.ts"
import type { Fields } from "./frame.ts"

/** A field that cannot be what it says. */
export class Unfit {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** Longest idempotency key, and longest id that a client gives its message, in bytes. */
const keyBytesMax = 256

const isMissing = (value: unknown): value is undefined | null => value === undefined || value === null

/** As the ancestor does: anything that has a text is that. */
const textOf = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return value
    case "number":
    case "boolean":
      return String(value)
    default:
      return isMissing(value) ? "" : JSON.stringify(value)
  }
}
const text = (fields: Fields, name: string): string | undefined => (isMissing(fields[name]) ? undefined : textOf(fields[name]))

/** The first of them that says something. */
const first = (fields: Fields, ...names: ReadonlyArray<string>): string => {
  for (const name of names) {
    const value = textOf(fields[name])
    if (value !== "") return value
  }
  return ""
}

const texts = (fields: Fields, name: string): ReadonlyArray<string> | undefined => {
  const value = fields[name]
  if (isMissing(value)) return undefined
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string" && typeof item !== "number")) {
    throw new Unfit(`Field '${name}' must be a list of strings.`)
  }
  return value.map(String)
}

/** The ancestor cuts numbers; anything else would silently guard nothing. */
const integer = (fields: Fields, name: string): number | undefined => {
  const value = fields[name]
  if (isMissing(value)) return undefined
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Unfit(`Field '${name}' must be a number.`)
  return Math.trunc(value)
}

/** As above, and nothing that would have to be cut. */
const whole = (fields: Fields, name: string): number | undefined => {
  const value = integer(fields, name)
  if (value !== undefined && value !== fields[name]) throw new Unfit(`Field '${name}' must be a whole number.`)
  return value
}

const record = (fields: Fields, name: string): Ask & { readonly verb: "offer" } extends { readonly meta?: infer M } ? M | undefined : never => {
  const value = fields[name]
  if (isMissing(value)) return undefined
  if (typeof value !== "object" || Array.isArray(value)) throw new Unfit(`Field '${name}' must be an object.`)
  return value as never // JSON gives JSON
}

/** A count that may be left out or be nonsense. */
const limit = (fields: Fields): number | undefined => {
  const value = fields["limit"]
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? Math.max(1, Math.trunc(number)) : undefined
}

const flag = (fields: Fields, name: string): true | undefined => (fields[name] === true ? true : undefined)

const seconds = (value: unknown): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

const bounded = (value: string | undefined, name: string): string | undefined => {
  if (value === undefined || value === "") return undefined
  if (value.length > keyBytesMax || Buffer.byteLength(value) > keyBytesMax) throw new Unfit(`Field '${name}' has more than ${keyBytesMax} bytes.`)
  return value
}
const keyOf = (fields: Fields): string | undefined => bounded(text(fields, "idem_key"), "idem_key")

const modes = { manual: "manual", commit: "commit", merge: "merge" } as const

const gitOf = (fields: Fields): Extract<Ask, { readonly verb: "claim" }>["git"] | undefined => {
  const git = record(fields, "git") as Fields | undefined // what it holds is looked at here
  if (git === undefined) return undefined
  const branch = text(git, "branch")
  if (branch === undefined || branch === "") throw new Unfit("Field 'git.branch' is required.")
  const mode = textOf(git["auto_release_on"])
  return { branch, ...kept({ base: text(git, "base") }), releaseOn: Object.hasOwn(modes, mode) ? modes[mode as keyof typeof modes] : "manual" }
}

/** Without the fields that nobody gave. */
const kept = <T extends object>(given: T): { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } => {
  const result: Record<string, unknown> = {}
  for (const key in given) if (given[key] !== undefined) result[key] = given[key]
  return result as never // the same fields, fewer
}

const offer = (fields: Fields): Ask =>
  kept({
    verb: "offer" as const, kind: first(fields, "kind", "resource_kind"), name: first(fields, "name", "resource_name"), capacity: whole(fields, "capacity"),
    meta: record(fields, "meta"), key: keyOf(fields)
  })

/** By type; a type that is not here has no request to it. `heartbeat` is the connection's own. */
const table: { readonly [T in Exclude<AgentType, "heartbeat" | "ask"> | "resource" | "offer_resource"]: (fields: Fields) => Ask } = {
  chat: (fields) =>
    kept({
      verb: "send" as const, target: text(fields, "target"), payload: textOf(fields["payload"]), priority: flag(fields, "priority"),
      clientTimestamp: typeof fields["timestamp"] === "number" && Number.isFinite(fields["timestamp"]) ? fields["timestamp"] : undefined,
      clientMessage: bounded(text(fields, "client_msg_id"), "client_msg_id"), receipt: flag(fields, "receipt_requested")
    }),
  claim: (fields) =>
    kept({
      verb: "claim" as const, task: first(fields, "task_id", "payload"), note: text(fields, "note"), ttlSeconds: seconds(fields["ttl_seconds"]),
      worktree: text(fields, "worktree"), paths: texts(fields, "paths"), mutex: flag(fields, "mutex"), git: gitOf(fields), key: keyOf(fields), wait: flag(fields, "wait"),
      expectedEpoch: integer(fields, "expected_epoch")
    }),
  release: (fields) =>
    kept({
      verb: "release" as const, task: first(fields, "task_id", "payload"), epoch: integer(fields, "epoch"), key: keyOf(fields), receipt: record(fields, "receipt")
    }),
  task_update: (fields) =>
    kept({
      verb: "update" as const, task: first(fields, "task_id", "id"), status: text(fields, "status"), note: text(fields, "note"), dataRef: text(fields, "data_ref"),
      epoch: integer(fields, "epoch"), expectedVersion: integer(fields, "expected_version"), key: keyOf(fields)
    }),
  handoff: (fields) =>
    kept({
      verb: "handoff" as const, task: first(fields, "task_id"), to: first(fields, "to_agent", "target"), note: text(fields, "note"), epoch: integer(fields, "epoch"),
      key: keyOf(fields)
    }),
  checkpoint: (fields) =>
    kept({
      verb: "checkpoint" as const, task: first(fields, "task_id"), checkpoint: text(fields, "checkpoint") ?? textOf(fields["payload"]), epoch: integer(fields, "epoch"),
      key: keyOf(fields)
    }),
  wait_request: (fields) => ({ verb: "wait", task: first(fields, "task_id", "payload") }),
  resource_offer: offer,
  resource: offer,
  offer_resource: offer,
  ledger_task: (fields) =>
    kept({
      verb: "declare" as const, task: first(fields, "task_id"), title: textOf(fields["title"]), description: text(fields, "description"),
      dependsOn: texts(fields, "depends_on"), suggestedOwner: text(fields, "suggested_owner"), expectedVersion: integer(fields, "expected_version"), key: keyOf(fields)
    }),
  ledger_task_update: (fields) =>
    kept({
      verb: "plan" as const, task: first(fields, "task_id"), status: text(fields, "status"), suggestedOwner: text(fields, "suggested_owner"),
      expectedVersion: integer(fields, "expected_version"), key: keyOf(fields)
    }),
  ledger_progress: (fields) =>
    kept({ verb: "progress" as const, task: textOf(fields["task_id"]), text: first(fields, "text", "payload"), kind: text(fields, "kind"), key: keyOf(fields) }),
  advertise: (fields) =>
    kept({
      verb: "advertise" as const, description: text(fields, "description"), skills: texts(fields, "skills"), taskClasses: texts(fields, "task_classes"),
      model: text(fields, "model"), meta: record(fields, "meta")
    }),
  board_request: () => ({ verb: "board" }),
  manifest_request: () => ({ verb: "manifest" }),
  state_request: () => ({ verb: "state" }),
  who_request: () => ({ verb: "who" }),
  history_request: (fields) => kept({ verb: "history" as const, limit: limit(fields) }),
  resume_request: (fields) => ({ verb: "resume", since: Math.max(0, Math.trunc(seconds(fields["since"]) ?? 0)) })
}
export type AskType = keyof typeof table

export const isAskType = (type: string): type is AskType => Object.hasOwn(table, type)

/** What a frame asks; a sentence says what is wrong with it. */
export const askOf = (type: AskType, fields: Fields): Ask | Unfit => {
  try {
    return table[type](fields)
  } catch (thrown) {
    if (thrown instanceof Unfit) return thrown
    throw thrown
  }
}

/** As a whole from whoever knows ours; what it holds is for the coordinator to check. */
export const askIn = (fields: Fields): Ask | Unfit => {
  const ask = fields["ask"]
  if (typeof ask !== "object" || ask === null || !("verb" in ask) || typeof ask.verb !== "string") return new Unfit("Field 'ask' must be a request with a verb.")
  // Coming and going are the connection's own.
  return ask.verb === "leave" ? new Unfit("A connection leaves by closing.") : (ask as Ask) // the coordinator decodes it
}
