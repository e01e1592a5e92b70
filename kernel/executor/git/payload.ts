// What may be asked of git, and which names are taken. No name begins with a dash or has a meaning beyond itself.
import * as Schema from "effect/Schema"
import type { Risk } from "../../../protocol/authority.ts"
import { pathRefusal, reservedIn } from "../../../protocol/path.ts"
import type { Recovery } from "../../../protocol/warrant.ts"
import { gitMessageBytesMax, gitPathsMax } from "../../limits.ts"

const Ref = Schema.String.check(Schema.isMaxLength(200))
const Paths = Schema.Array(Schema.String).check(Schema.isMaxLength(gitPathsMax))

export const Payload = Schema.Union([
  Schema.Struct({ op: Schema.Literal("status") }),
  Schema.Struct({ op: Schema.Literal("diff"), from: Schema.optionalKey(Ref), to: Schema.optionalKey(Ref), staged: Schema.optionalKey(Schema.Boolean), paths: Schema.optionalKey(Paths) }),
  Schema.Struct({ op: Schema.Literal("log"), ref: Schema.optionalKey(Ref), paths: Schema.optionalKey(Paths), count: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))) }),
  Schema.Struct({ op: Schema.Literal("branches") }),
  Schema.Struct({ op: Schema.Literal("worktrees") }),
  Schema.Struct({ op: Schema.Literal("branch"), name: Ref, at: Schema.optionalKey(Ref) }),
  Schema.Struct({ op: Schema.Literal("commit"), message: Schema.String, paths: Paths.check(Schema.isMinLength(1)) }),
  Schema.Struct({ op: Schema.Literal("worktree.add"), branch: Ref, at: Schema.optionalKey(Ref) }),
  Schema.Struct({ op: Schema.Literal("worktree.remove") }),
  /** `commit` in full: what is approved is what is pushed. */
  Schema.Struct({ op: Schema.Literal("push"), remote: Schema.String, branch: Ref, commit: Schema.String })
])
export type Payload = typeof Payload.Type
export const schema = Schema.toStandardSchemaV1(Payload, { parseOptions: { onExcessProperty: "error" } })

export const ops: Readonly<Record<Payload["op"], { readonly risk: Risk; readonly recovery: Recovery }>> = {
  status: { risk: "low", recovery: "idempotent" },
  diff: { risk: "low", recovery: "idempotent" },
  log: { risk: "low", recovery: "idempotent" },
  branches: { risk: "low", recovery: "idempotent" },
  worktrees: { risk: "low", recovery: "idempotent" },
  branch: { risk: "medium", recovery: "queryable" },
  commit: { risk: "medium", recovery: "queryable" },
  "worktree.add": { risk: "medium", recovery: "queryable" },
  // Git itself refuses when something in it would be lost.
  "worktree.remove": { risk: "medium", recovery: "queryable" },
  push: { risk: "irreversible", recovery: "queryable" }
}

/** The line of a commit's message by which it is found again. */
export const trailer = "Aaax-Warrant"

const isObject = (text: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/u.test(text)

export const branchRefusal = (name: string): string | undefined => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._/-]*$/u.test(name)) return "it begins with a letter or digit and has letters, digits and . _ / - only"
  if (/\.\.|\/\/|\/\.|\.\/|\.lock(\/|$)|[./]$/u.test(name)) return "it has .. or //, or a segment that begins or ends with a dot or ends with .lock"
  return name === "HEAD" || isObject(name) ? "it is the name of something else" : undefined
}

/** A branch, a commit, or one of their ancestors. */
const refRefusal = (ref: string): string | undefined => {
  const name = ref.replace(/(~\d{0,4}|\^)+$/u, "")
  return name === "HEAD" || /^[0-9a-f]{7,64}$/u.test(name) ? undefined : branchRefusal(name)
}

const pathsRefusal = (paths: ReadonlyArray<string>): string | undefined => {
  for (const [at, path] of paths.entries()) {
    const refusal = path === "." ? "name the files or folders" : pathRefusal(path) ?? (reservedIn(path, [{ name: ".git", except: [] }]) === undefined ? undefined : ".git is reserved")
    if (refusal !== undefined) return `payload.paths[${at}]: ${refusal}`
  }
  return undefined
}

const messageRefusal = (message: string): string | undefined => {
  if (message.trim() === "") return "payload.message: it is empty"
  if (/[\0\p{Cs}]/u.test(message)) return "payload.message: it has a NUL or is not well-formed text"
  if (Buffer.byteLength(message) > gitMessageBytesMax) return `payload.message: it has more than ${gitMessageBytesMax} bytes`
  return new RegExp(`^${trailer}:`, "imu").test(message) ? `payload.message: a line of it begins with ${trailer}:, which is the kernel's to say` : undefined
}

const named = (field: string, refusal: string | undefined): string | undefined => (refusal === undefined ? undefined : `payload.${field}: ${refusal}`)
const maybe = (field: string, text: string | undefined): string | undefined => (text === undefined ? undefined : named(field, refRefusal(text)))

/** What the schema cannot say. */
export const operationRefusal = (payload: Payload): string | undefined => {
  switch (payload.op) {
    case "diff":
      if (payload.to !== undefined && payload.from === undefined) return "payload.to: there is no from"
      if (payload.staged === true && payload.to !== undefined) return "payload.staged: what is staged is compared with one commit"
      return maybe("from", payload.from) ?? maybe("to", payload.to) ?? pathsRefusal(payload.paths ?? [])
    case "log":
      return maybe("ref", payload.ref) ?? pathsRefusal(payload.paths ?? [])
    case "branch":
      return named("name", branchRefusal(payload.name)) ?? maybe("at", payload.at)
    case "worktree.add":
      return named("branch", branchRefusal(payload.branch)) ?? maybe("at", payload.at)
    case "commit":
      return messageRefusal(payload.message) ?? pathsRefusal(payload.paths)
    case "push":
      // To git, a commit of zeros would mean: remove the branch.
      return named("branch", branchRefusal(payload.branch)) ??
        (isObject(payload.commit) && !/^0+$/u.test(payload.commit) ? undefined : "payload.commit: it is not the full name of a commit")
    default:
      return undefined
  }
}
