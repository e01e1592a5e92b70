// The run file: how the command line finds the kernel of a folder. `.aaax/run/kernel.json`, for its owner's eyes only.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { type Client, KernelUnreachable, makeClient } from "../libos/http.ts"
import { AlreadyRunning, type NotLaunched } from "./failure.ts"
import { needed } from "./home.ts"

const RunFile = Schema.Struct({ pid: Schema.Int, version: Schema.String, url: Schema.String, tokenFile: Schema.String })
export interface RunFile extends Schema.Schema.Type<typeof RunFile> {}

const runFileOf = (directory: string): string => join(directory, ".aaax", "run", "kernel.json")

const tokenFileOf = (directory: string): string => join(directory, ".aaax", "run", "token")

/** A token of 256 random bits, new at each start. */
export const makeToken = (): string => randomBytes(32).toString("base64url")

/** Through a new file and a rename, so that a reader sees all of it or none. */
const writePrivately = (file: string, text: string): void => {
  const partial = `${file}.${process.pid}.part`
  rmSync(partial, { force: true })
  writeFileSync(partial, text, { mode: 0o600, flag: "wx" })
  renameSync(partial, file)
}

/** Tells where this kernel is, until the scope closes. Called when everything is live. */
export const announce = (
  directory: string, told: { readonly url: string; readonly version: string; readonly token: string }
): Effect.Effect<void, NotLaunched, Scope.Scope> =>
  Effect.acquireRelease(
    needed(directory, runFileOf(directory), () => {
      const tokenFile = tokenFileOf(directory)
      writePrivately(tokenFile, `${told.token}\n`)
      const run: RunFile = { pid: process.pid, version: told.version, url: told.url, tokenFile }
      writePrivately(runFileOf(directory), `${JSON.stringify(run, null, 2)}\n`)
      return tokenFile
    }),
    (tokenFile) =>
      Effect.sync(() => {
        // Not when another kernel has taken the place.
        if (readRunFile(directory)?.pid !== process.pid) return
        rmSync(runFileOf(directory), { force: true })
        rmSync(tokenFile, { force: true })
      })
  )

const decodeRun = Schema.decodeUnknownOption(Schema.fromJsonString(RunFile))

/**
 * A run file may have come with a folder that somebody else made. It must name this machine and the token beside it:
 * whatever file it named otherwise would be sent to whatever address it named.
 */
const readRunFile = (directory: string): RunFile | undefined => {
  try {
    const run = Option.getOrUndefined(decodeRun(readFileSync(runFileOf(directory), "utf8")))
    return run !== undefined && /^http:\/\/127\.0\.0\.1:\d+$/u.test(run.url) && run.tokenFile === tokenFileOf(directory) ? run : undefined
  } catch {
    return undefined
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Somebody else's process is a process, too.
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/** How long a kernel that may be there has to say so. */
const healthMillis = 2_000

/**
 * Fails when a kernel answers for this folder. A run file alone says nothing: its kernel may have been killed, and its
 * pid be another process by now.
 */
export const refuseSecond = (directory: string): Effect.Effect<void, AlreadyRunning> =>
  Effect.suspend(() => {
    const run = readRunFile(directory)
    if (run === undefined || run.pid === process.pid || !isAlive(run.pid)) return Effect.void
    return Effect.tryPromise(() => fetch(`${run.url}/healthz`, { signal: AbortSignal.timeout(healthMillis) }).then((answer) => answer.ok)).pipe(
      Effect.orElseSucceed(() => false),
      Effect.flatMap((answers) => (answers ? Effect.fail(new AlreadyRunning({ directory, pid: run.pid })) : Effect.void))
    )
  })

export interface Found {
  readonly directory: string
  readonly run: RunFile
}

/** The nearest run file, from a folder upwards. */
export const findRun = (from: string): Found | undefined => {
  for (let directory = realpathSync(resolve(from)); ; directory = dirname(directory)) {
    const run = readRunFile(directory)
    if (run !== undefined) return { directory, run }
    if (dirname(directory) === directory) return undefined
  }
}

/** A client of the kernel of this folder. Fails with a sentence that says how to start one. */
export const connect = (from: string): Effect.Effect<Client & { readonly pid: number }, KernelUnreachable> =>
  Effect.suspend(() => {
    const found = findRun(from)
    const start = "Start one with: aaax launch"
    if (found === undefined) {
      return Effect.fail(new KernelUnreachable({ url: resolve(from), reason: `no kernel runs in this folder or above it. ${start}` }))
    }
    const { run, directory } = found
    if (!isAlive(run.pid)) {
      return Effect.fail(new KernelUnreachable({ url: directory, reason: `the kernel that ran here (pid ${run.pid}) is gone. ${start}` }))
    }
    return Effect.map(
      Effect.try({
        try: () => readFileSync(run.tokenFile, "utf8").trim(),
        catch: () => new KernelUnreachable({ url: directory, reason: `its token file ${run.tokenFile} cannot be read` })
      }),
      (token) => ({ ...makeClient({ url: run.url, token }), pid: run.pid })
    )
  })
