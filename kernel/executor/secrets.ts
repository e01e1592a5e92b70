// Secrets are handles: `secret:NAME` in a request, a value only here and inside the executor that config binds it to.
//
//   secrets: {
//     GITHUB: { from: "env:GITHUB_TOKEN", hosts: ["api.github.com"] },   // headers of http.fetch, pushes of git
//     DEPLOY: { from: "file:./deploy.key", programs: ["deploy"] },       // variables of programs of process.run
//     MAIL: { from: "env:MAIL_KEY", executors: ["mail.send"] }           // executors of one's own
//   }
//
// One that is bound to nothing can be used by nobody. Values are read anew at each use, so that a changed one counts at
// once; those that were read before are still struck out.
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import { ConfigInvalid, type ConfigIssue } from "../../protocol/errors.ts"
import type { SecretView } from "../../protocol/view.ts"
import type { ExecutorSecrets } from "../authority/warrants.ts"
import { makeRedaction, type Redaction } from "../guard/redaction.ts"
import { secretBytesMax, secretLengthMin, secretsMax, secretValuesMax } from "../limits.ts"
import { codeOf } from "./confined.ts"
import { NotDone } from "./executor.ts"

export interface SecretSpec {
  /** `env:NAME`, or `file:PATH` of a file that is ours and that nobody else may read. */
  readonly from: string
  /** Hosts that it may be sent to, exactly; `http.fetch` and `git`. */
  readonly hosts?: ReadonlyArray<string>
  /** Programs that may be given it as a variable; `process.run`. */
  readonly programs?: ReadonlyArray<string>
  /** Executors of one's own that may ask for it. */
  readonly executors?: ReadonlyArray<string>
}

/** What a secret is to be used for. */
export type Use = { readonly host: string } | { readonly program: string } | { readonly executor: string }

export interface Secrets {
  /** Why this secret may not be used so, or nothing. Says nothing of its value. */
  readonly refusal: (name: string, use: Use) => string | undefined
  /** Its value. Throws `NotDone` for one that may not be used so, or cannot be read now. */
  readonly value: (name: string, use: Use) => string
  readonly redaction: Redaction
  /** Whether this is the file that a secret is read from. */
  readonly isSource: (stats: Pick<Stats, "dev" | "ino">) => boolean
  /** All but their values, for the operator. */
  readonly list: () => ReadonlyArray<SecretView>
}

/** `secret:NAME`, wherever it stands in a text. */
export const handlePattern = /(?<![\w:/.-])secret:([A-Za-z][A-Za-z0-9_]{0,63})(?![\w])/gu
const handleWhole = /^secret:([A-Za-z][A-Za-z0-9_]{0,63})$/u

/** The name in a text that is nothing but a handle. */
export const handleOf = (text: string): string | undefined => handleWhole.exec(text)?.[1]
/** The names of all handles in a text. */
export const handlesIn = (text: string): ReadonlyArray<string> => [...text.matchAll(handlePattern)].map((match) => match[1]!)

interface Source {
  readonly spec: SecretSpec
  readonly kind: "env" | "file"
  /** Name of the variable, or absolute path. */
  readonly place: string
  /** What was read, the newest first. */
  values: ReadonlyArray<string>
}

/** The value that is there now; throws `NotDone`. */
export const readFrom = (kind: Source["kind"], place: string): string => {
  if (kind === "env") {
    const value = process.env[place]
    if (value === undefined || value === "") throw new NotDone(`the variable ${place} is not set`)
    return checked(value)
  }
  let file: number
  try {
    file = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw new NotDone(codeOf(error) === "ELOOP" ? `${place} is a link` : `${place} cannot be read: ${codeOf(error)}`)
  }
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw new NotDone(`${place} is not a file`)
    if (process.getuid !== undefined && stats.uid !== process.getuid()) throw new NotDone(`${place} belongs to somebody else`)
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0) {
      throw new NotDone(`others may read ${place} (mode ${(stats.mode & 0o777).toString(8)}); run: chmod 600 ${place}`)
    }
    if (stats.size > secretBytesMax) throw new NotDone(`${place} has more than ${secretBytesMax} bytes`)
    return checked(readFileSync(file, "utf8").replace(/\r?\n$/u, ""))
  } finally {
    closeSync(file)
  }
}

const checked = (value: string): string => {
  if (value.length < secretLengthMin) throw new NotDone(`it has fewer than ${secretLengthMin} characters, too few to be told from other text`)
  if (Buffer.byteLength(value) > secretBytesMax) throw new NotDone(`it has more than ${secretBytesMax} bytes`)
  return value
}

/**
 * Made per config; relative files start from `directory`. Throws `ConfigInvalid` for a source that is none, and for a file
 * that others may read. A variable or file that is not there is told when the secret is used.
 */
export const makeSecrets = (specs: Readonly<Record<string, SecretSpec>> = {}, directory: string = "."): Secrets => {
  const sources = new Map<string, Source>()
  const issues: Array<ConfigIssue> = []
  let values: ReadonlyMap<string, ReadonlyArray<string>> = new Map()

  const read = (name: string, source: Source): string => {
    const value = readFrom(source.kind, source.place)
    if (source.values[0] !== value) {
      source.values = [value, ...source.values.filter((other) => other !== value)].slice(0, secretValuesMax)
      values = new Map([...values, [name, source.values]])
    }
    return value
  }

  const entries = Object.entries(specs)
  if (entries.length > secretsMax) issues.push({ file: "config", path: "secrets", reason: `at most ${secretsMax} are allowed.` })
  for (const [name, spec] of entries.slice(0, secretsMax)) {
    const path = `secrets.${name}`
    const from = /^(env|file):(.+)$/su.exec(spec.from)
    if (handleOf(`secret:${name}`) === undefined) {
      issues.push({ file: "config", path, reason: "a name is a letter, then letters, digits and _, at most 64." })
    } else if (from === null) {
      issues.push({ file: "config", path, reason: "say where it is: \"env:NAME\" or \"file:PATH\"." })
    } else {
      // The pattern has two groups, the first with these words.
      const kind = from[1] as Source["kind"]
      const source: Source = { spec, kind, place: kind === "file" ? resolve(directory, from[2]!) : from[2]!, values: [] }
      sources.set(name, source)
      try {
        read(name, source)
      } catch (error) {
        // What is not there yet may come; what others may read must not be used before somebody looked at it.
        const reason = error instanceof NotDone ? error.reason : String(error)
        if (!/is not set$|cannot be read: ENOENT$/u.test(reason)) issues.push({ file: "config", path, reason: `${reason}.` })
      }
    }
  }
  if (issues.length > 0) throw new ConfigInvalid({ issues })

  const refusal: Secrets["refusal"] = (name, use) => {
    const source = sources.get(name)
    if (source === undefined) {
      return `there is no secret ${name}; config names ${sources.size === 0 ? "none, under `secrets`" : [...sources.keys()].sort().join(", ")}`
    }
    const { executors = [], hosts = [], programs = [] } = source.spec
    const [list, word, wanted] = "host" in use ? [hosts, "hosts", use.host]
      : "program" in use ? [programs, "programs", use.program]
      : [executors, "executors", use.executor]
    return list.includes(wanted) ? undefined : `the secret ${name} is not for ${wanted}; its \`${word}\` in the config: ${list.join(", ") || "none"}`
  }

  return {
    refusal,
    value: (name, use) => {
      const refused = refusal(name, use)
      const source = sources.get(name)
      if (refused !== undefined || source === undefined) throw new NotDone(refused ?? `there is no secret ${name}`)
      try {
        return read(name, source)
      } catch (error) {
        throw error instanceof NotDone ? new NotDone(`the secret ${name}: ${error.reason}`) : error
      }
    },
    redaction: makeRedaction(() => values),
    isSource: ({ dev, ino }) =>
      [...sources.values()].some(({ kind, place }) => {
        if (kind !== "file") return false
        try {
          const file = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK)
          try {
            const stats = fstatSync(file)
            return stats.dev === dev && stats.ino === ino
          } finally {
            closeSync(file)
          }
        } catch {
          return false
        }
      }),
    list: () =>
      [...sources].map(([name, source]) => {
        const { executors = [], from, hosts = [], programs = [] } = source.spec
        const view = { name, from, hosts, programs, executors }
        try {
          read(name, source)
          return { ...view, problem: null }
        } catch (error) {
          return { ...view, problem: error instanceof NotDone ? error.reason : "it cannot be read" }
        }
      })
  }
}

/** The secrets as the kernel hands them to executors of one's own, and strikes them out of all. */
export const forExecutors = (secrets: Secrets): ExecutorSecrets => ({
  redaction: secrets.redaction,
  list: secrets.list,
  secret: (executor, name) =>
    Effect.try({
      try: () => secrets.value(name, { executor }),
      catch: (thrown) => ({ reason: thrown instanceof NotDone ? thrown.reason : `the secret ${name} cannot be read` })
    })
})

/** A constellation without secrets. */
export const noSecrets: Secrets = makeSecrets()
