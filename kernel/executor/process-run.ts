// Runs a declared program: arguments as a list, no shell, an empty environment, bounded time and output.
//
// Risk is irreversible and recovery none: nobody knows what a program does, nor whether it did it when the kernel died
// meanwhile. A program that ran has had its effect, whatever its exit code: the code is in the result. Only one that was
// not started has failed. Its folder is where it starts, not a jail: what it may touch is up to the machine.
import { accessSync, constants, statSync } from "node:fs"
import { realpath, stat } from "node:fs/promises"
import { basename, delimiter, isAbsolute, join } from "node:path"
import * as Schema from "effect/Schema"
import { ConfigInvalid, type ConfigIssue } from "../../protocol/errors.ts"
import type { Executor } from "../../protocol/executor.ts"
import { isSegment } from "../../protocol/names.ts"
import { pathRefusal } from "../../protocol/path.ts"
import {
  argumentBytesMax, argumentsMax, processGraceMillis, processInputBytesMax, processMillisDefault, processMillisMax, processOutputBytesDefault,
  processOutputBytesMax
} from "../limits.ts"
import { NotDone, payloadRefusal, stoppable } from "./executor.ts"
import { makeGuardian, type Guardian, type Outcome } from "./guardian.ts"
import { handleOf, noSecrets, type Secrets } from "./secrets.ts"

export interface RunOptions {
  /** Names that are looked up on the kernel's PATH now, absolute paths (called by their last segment), or name -> path. */
  readonly programs: ReadonlyArray<string> | Readonly<Record<string, string>>
  /** Absolute folder in which programs start; a payload's `cwd` is relative to it. */
  readonly root: string
  /** Variables taken from the kernel's environment now, or given outright; default: none. */
  readonly env?: ReadonlyArray<string> | Readonly<Record<string, string>>
  /** Longest time that a payload may ask for, and what it gets when it does not. */
  readonly timeoutMillis?: number
  /** Kept of each output. */
  readonly outputBytesMax?: number
  readonly graceMillis?: number
  /** Of which a payload may hand some to programs, as variables. */
  readonly secrets?: Secrets
}

/** What a program left. */
export interface Ran extends Outcome {}

const Payload = Schema.Struct({
  args: Schema.optionalKey(Schema.Array(Schema.String).check(Schema.isMaxLength(argumentsMax))),
  /** Relative to the root. */
  cwd: Schema.optionalKey(Schema.String),
  stdin: Schema.optionalKey(Schema.String),
  /** Variable -> `secret:NAME`, for programs that config binds the secret to. Nothing else can be said of the environment. */
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  timeoutMillis: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: processMillisMax })))
})
type Payload = typeof Payload.Type

/** No payload is no arguments. */
const MaybePayload = Schema.Union([Payload, Schema.Null, Schema.Undefined])
const schema = Schema.toStandardSchemaV1(MaybePayload, { parseOptions: { onExcessProperty: "error" } })

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

export const onPath = (name: string): string | undefined =>
  (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute).map((folder) => join(folder, name)).find(isProgram)

const invalid = (issues: ReadonlyArray<Omit<ConfigIssue, "file">>): void => {
  if (issues.length > 0) throw new ConfigInvalid({ issues: issues.map((issue) => ({ file: "config", ...issue })) })
}

/** Name -> absolute path, or nothing for one that is not there. */
const resolvePrograms = (programs: RunOptions["programs"]): ReadonlyMap<string, string | undefined> => {
  // A list has no names: what is absolute is called by its last segment. `isArray` does not narrow a readonly list away.
  const given: ReadonlyArray<readonly [string, string]> = Array.isArray(programs)
    ? (programs as ReadonlyArray<string>).map((program) => [isAbsolute(program) ? basename(program) : program, program])
    : Object.entries(programs)
  invalid(given.flatMap(([name, path]) => {
    const at = `executors.process.run.programs`
    if (!isSegment(name)) return [{ path: at, reason: `${name} is neither a plain name nor an absolute path.` }]
    if (path.includes("/") && !isAbsolute(path)) return [{ path: at, reason: `${path} is not an absolute path.` }]
    return given.filter(([other]) => other === name).length > 1 ? [{ path: at, reason: `${name} is declared twice.` }] : []
  }))
  return new Map(given.map(([name, path]) => [name, isAbsolute(path) ? path : onPath(path)]))
}

const resolveEnv = (env: RunOptions["env"] = []): Readonly<Record<string, string>> =>
  Array.isArray(env)
    ? Object.fromEntries((env as ReadonlyArray<string>).flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value] as const]
    }))
    // Not a list, so a table.
    : { ...(env as Readonly<Record<string, string>>) }

/** One lone surrogate or NUL, and a program would get another argument than the one that was approved. */
const isPassed = (text: string): boolean => !/[\0\p{Cs}]/u.test(text)

const argumentsRefusal = ({ args = [], stdin = "" }: Payload): string | undefined => {
  const wrong = args.findIndex((argument) => !isPassed(argument))
  if (wrong !== -1) return `payload.args[${wrong}]: it has a NUL or is not well-formed text`
  if (args.reduce((sum, argument) => sum + Buffer.byteLength(argument) + 1, 0) > argumentBytesMax) {
    return `the arguments have more than ${argumentBytesMax} bytes`
  }
  if (/\p{Cs}/u.test(stdin)) return "payload.stdin: it is not well-formed text"
  return Buffer.byteLength(stdin) > processInputBytesMax ? `the input has more than ${processInputBytesMax} bytes` : undefined
}

/** Made per config; programs are looked up then, and never by what a request says. Throws `ConfigInvalid`. */
export const executor = (options: RunOptions): Executor => {
  const programs = resolvePrograms(options.programs)
  const env = resolveEnv(options.env)
  const timeoutMillis = options.timeoutMillis ?? processMillisDefault
  const outputBytesMax = options.outputBytesMax ?? processOutputBytesDefault
  const graceMillis = options.graceMillis ?? processGraceMillis
  invalid([
    ...(isAbsolute(options.root) ? [] : [{ path: "executors.process.run.root", reason: `${options.root} is not an absolute path.` }]),
    ...(timeoutMillis <= processMillisMax ? [] : [{ path: "executors.process.run.timeoutMillis", reason: `at most ${processMillisMax} are allowed.` }]),
    ...(outputBytesMax <= processOutputBytesMax
      ? [] : [{ path: "executors.process.run.outputBytesMax", reason: `at most ${processOutputBytesMax} are allowed.` }])
  ])
  const guardian: Guardian = makeGuardian()
  const secrets = options.secrets ?? noSecrets
  const names = [...programs.keys()].join(", ") || "none"

  const check: NonNullable<Executor["check"]> = ({ payload, target }) => {
    if (!programs.has(target)) return `it is not a declared program; declared: ${names}`
    if (programs.get(target) === undefined) return `${target} was not found on PATH when the kernel started`
    const refusal = payloadRefusal(schema, payload)
    if (refusal !== undefined) return refusal
    // The schema has taken it.
    const given = (payload ?? {}) as Payload
    if (given.timeoutMillis !== undefined && given.timeoutMillis > timeoutMillis) return `payload.timeoutMillis: at most ${timeoutMillis} are allowed`
    const wrong = given.cwd === undefined ? undefined : pathRefusal(given.cwd)
    return wrong === undefined ? argumentsRefusal(given) ?? envRefusal(target, given) : `payload.cwd: ${wrong}`
  }

  const envRefusal = (program: string, given: Payload): string | undefined => {
    for (const [variable, handle] of Object.entries(given.env ?? {})) {
      const name = handleOf(handle)
      // A loader or an interpreter would take some for instructions; no secret is one.
      if (!/^[A-Z_][A-Z0-9_]{0,127}$/u.test(variable) || /^(LD|DYLD)_|^(PATH|HOME|SHELL|IFS|ENV|BASH_ENV|NODE_OPTIONS)$/u.test(variable) || Object.hasOwn(env, variable)) {
        return `payload.env: ${JSON.stringify(variable)} is not a variable for a secret`
      }
      if (name === undefined) return `payload.env.${variable}: it is not a secret:NAME; nothing else can be handed over`
      const refused = secrets.refusal(name, { program })
      if (refused !== undefined) return `payload.env.${variable}: ${refused}`
    }
    return undefined
  }

  /** What was left out may have been left out in the middle of a secret. */
  const struck = (outcome: Outcome): Outcome => {
    if (!outcome.truncated || secrets.redaction.isIdle()) return outcome
    const both = (text: string): string => text.split(leftOut).map((part) => (leftOut.test(part) ? part : secrets.redaction.cut(part))).join("")
    return { ...outcome, stdout: both(outcome.stdout), stderr: both(outcome.stderr) }
  }

  return {
    name: "process.run",
    description: `Runs a program (${names}) without a shell. Payload: {args?, cwd?, stdin?, env?, timeoutMillis?}.`,
    risk: "irreversible",
    recovery: "none",
    // Ours comes first: the kernel's limit would leave the outcome unknown.
    timeoutMillis: timeoutMillis + 2 * graceMillis + 5_000,
    payload: schema,
    check,
    perform: (call) =>
      stoppable(async (signal): Promise<Ran> => {
        const refusal = check(call)
        const file = programs.get(call.target)
        if (refusal !== undefined || file === undefined) throw new NotDone(refusal ?? "it is not a declared program")
        // `check` has taken it.
        const { args = [], cwd, env: handles = {}, stdin = "", timeoutMillis: asked = timeoutMillis } = (call.payload ?? {}) as Payload
        const folder = await folderOf(options.root, cwd)
        const values = Object.entries(handles).map(([variable, handle]) => {
          const value = secrets.value(handleOf(handle) ?? "", { program: call.target })
          if (value.includes("\0")) throw new NotDone(`the secret for ${variable} has a NUL, which no variable can hold`)
          return [variable, value] as const
        })
        return struck(await guardian.run({ file, args, cwd: folder, env: { ...env, ...Object.fromEntries(values) }, stdin, timeoutMillis: asked, graceMillis, outputBytesMax }, signal))
      })
  }
}

/** What stands where output was left out, as the guardian writes it. */
const leftOut = /(\n\[\d+ bytes left out\]\n)/u

/** The folder to start in, wherever links lead, as long as that is below the root. */
const folderOf = async (root: string, cwd: string | undefined): Promise<string> => {
  const absent = (): never => {
    throw new NotDone(`${cwd ?? "the root"} is not there`)
  }
  const real = await realpath(root).catch(absent)
  const folder = cwd === undefined ? real : await realpath(join(real, cwd)).catch(absent)
  if (folder !== real && !folder.startsWith(real === "/" ? real : `${real}/`)) throw new NotDone(`${cwd} leads out of the root`)
  if (!(await stat(folder)).isDirectory()) throw new NotDone(`${cwd} is not a folder`)
  return folder
}
