// The executors and secrets of a config, as data.
import * as Schema from "effect/Schema"
import { Risk } from "../../protocol/authority.ts"
import type { Executor } from "../../protocol/executor.ts"
import { LlmConfig } from "./llm/config.ts"

const Texts = Schema.Array(Schema.NonEmptyString)
const Positive = Schema.Int.check(Schema.isGreaterThan(0))
const Method = Schema.Literals(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])

/** A folder that may be read below, and the labels of what is read there. */
const ReadRoot = Schema.Union([Schema.NonEmptyString, Schema.Struct({ path: Schema.NonEmptyString, labels: Schema.optionalKey(Texts) })])

const EgressRule = Schema.Union([
  Schema.NonEmptyString,
  Schema.Struct({
    hosts: Texts,
    methods: Schema.optionalKey(Schema.Array(Method)),
    ports: Schema.optionalKey(Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))),
    schemes: Schema.optionalKey(Schema.Array(Schema.Literals(["https", "http"]))),
    risk: Schema.optionalKey(Schema.Struct({
      GET: Schema.optionalKey(Risk), HEAD: Schema.optionalKey(Risk), POST: Schema.optionalKey(Risk), PUT: Schema.optionalKey(Risk),
      PATCH: Schema.optionalKey(Risk), DELETE: Schema.optionalKey(Risk)
    })),
    idempotencyKey: Schema.optionalKey(Schema.Boolean)
  })
])

const Repository = Schema.Union([
  Schema.NonEmptyString,
  Schema.Struct({
    path: Schema.NonEmptyString,
    worktrees: Schema.optionalKey(Schema.NonEmptyString),
    remotes: Schema.optionalKey(Schema.Record(Schema.NonEmptyString, Schema.NonEmptyString)),
    credential: Schema.optionalKey(Schema.NonEmptyString),
    trusted: Schema.optionalKey(Schema.Boolean),
    labels: Schema.optionalKey(Texts)
  })
])

/** Each of ours by its name; absent: it is not served. */
export const ownTable = {
  "fs.read": Schema.optionalKey(Schema.Struct({
    /** Folders that may be read below; relative to the directory of the constellation. */
    roots: Schema.Array(ReadRoot),
    bytesMax: Schema.optionalKey(Positive)
  })),
  "fs.write": Schema.optionalKey(Schema.Struct({
    /** Folders that may be written below; relative to the directory of the constellation. */
    roots: Texts
  })),
  "process.run": Schema.optionalKey(Schema.Struct({
    /** Names or absolute paths of programs that may be run. */
    programs: Texts,
    timeoutMillis: Schema.optionalKey(Positive),
    outputBytesMax: Schema.optionalKey(Positive)
  })),
  "http.fetch": Schema.optionalKey(Schema.Struct({
    /** Where requests may go: a host, for asking over https; or more of it. */
    allow: Schema.Array(EgressRule),
    /** `ADDRESS:PORT` that may be dialled although they are not public. */
    allowPrivate: Schema.optionalKey(Texts),
    timeoutMillis: Schema.optionalKey(Positive),
    answerBytesMax: Schema.optionalKey(Positive),
    redirectsMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))),
    /** A file of certificates of authorities beside the well-known ones. */
    ca: Schema.optionalKey(Schema.NonEmptyString)
  })),
  /** Backends by name: a local server, a provider, rules, recorded answers. */
  "llm.chat": Schema.optionalKey(LlmConfig),
  git: Schema.optionalKey(Schema.Struct({
    /** Name -> folder, or more of it. */
    repositories: Schema.Record(Schema.NonEmptyString, Repository),
    committer: Schema.optionalKey(Schema.Struct({ name: Schema.NonEmptyString, email: Schema.NonEmptyString }))
  }))
}

const OwnTable = Schema.Struct(ownTable)
export interface OwnTable extends Schema.Schema.Type<typeof OwnTable> {}

/** Ours as they are configured, and executors as objects. */
export interface ExecutorTable extends OwnTable {
  readonly own: ReadonlyArray<Executor>
}

const Secret = Schema.Union([
  Schema.NonEmptyString,
  Schema.Struct({ from: Schema.NonEmptyString, hosts: Schema.optionalKey(Texts), programs: Schema.optionalKey(Texts), executors: Schema.optionalKey(Texts) })
])
/** Name -> where it comes from, and what it is for. */
export const SecretTable = Schema.Record(Schema.NonEmptyString, Secret)
export type SecretTable = typeof SecretTable.Type

/** Keys that are known at each place, for "did you mean". */
export const knownKeys: Readonly<Record<string, ReadonlyArray<string>>> = {
  "executors.fs.read": ["roots", "bytesMax"],
  "executors.fs.read.roots[]": ["path", "labels"],
  "executors.fs.write": ["roots"],
  "executors.process.run": ["programs", "timeoutMillis", "outputBytesMax"],
  "executors.http.fetch": ["allow", "allowPrivate", "timeoutMillis", "answerBytesMax", "redirectsMax", "ca"],
  "executors.http.fetch.allow[]": ["hosts", "methods", "ports", "schemes", "risk", "idempotencyKey"],
  "executors.llm.chat": ["default", "aliases", "backends"],
  "executors.git": ["repositories", "committer"],
  "executors.git.committer": ["name", "email"]
}
