// The world of the demo: a scratch repository, a constellation over it in this process, and a clock that can be moved. Nothing of it stays.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { defineModule, type Coordination, type System } from "aaax"
import { coordinator } from "aaax/modules/coordinator"
import { makeClock, systemSource } from "../../kernel/clock.ts"
import { decodeConfig } from "../../kernel/config.ts"
import * as Http from "../../kernel/door/http.ts"
import type { DoorError } from "../../kernel/door/door.ts"
import type { DockError, Hosted } from "../../kernel/kernel.ts"
import { launchKernel, type LaunchError } from "../../kernel/launch.ts"
import { version } from "../../kernel/version.ts"
import { ModuleRejected } from "../../protocol/errors.ts"
import { codes } from "../exit-code.ts"
import type { NotLaunched } from "../failure.ts"
import { makeHome } from "../home.ts"
import { announce, makeToken } from "../run-file.ts"

/** Who acts: what its own module was given. */
export interface Agent {
  readonly name: string
  readonly coordination: Coordination
  /** Writes a file of the repository through the gate. */
  readonly write: (path: string, content: string) => Promise<void>
  /** Ends without a word: nothing is released, nobody is told. */
  readonly crash: () => Promise<void>
}

export interface World {
  /** The repository. */
  readonly path: string
  readonly dock: (name: string) => Promise<Agent>
  readonly read: (path: string) => string
  readonly put: (path: string, text: string) => void
  readonly git: (...args: ReadonlyArray<string>) => Promise<{ readonly code: number; readonly text: string }>
  /** Kernel time goes on at once. */
  readonly pass: (millis: number) => void
}

/** Whatever the user's configuration says, the scratch repository is one of its own. */
const own: Readonly<Record<string, string>> = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" }
const others = /^(GIT_|SYNAPSE_|AAAX_SEAT$)/u

/** For as long as the scope: also what it starts sees only this. */
const environment: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(Effect.acquireRelease(
  Effect.sync(() => {
    const before = { ...process.env }
    for (const name of Object.keys(process.env)) if (others.test(name)) delete process.env[name]
    Object.assign(process.env, own)
    return before
  }),
  (before) => Effect.sync(() => {
    for (const name of Object.keys(own)) delete process.env[name]
    Object.assign(process.env, before)
  })
))

const scratch: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "aaax-demo-")))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Also who is stopped leaves nothing behind. */
const cleared = (path: string): Effect.Effect<void, never, Scope.Scope> => {
  const end = (): never => {
    rmSync(path, { recursive: true, force: true })
    process.exit(codes.interrupted)
  }
  return Effect.asVoid(Effect.acquireRelease(
    Effect.sync(() => process.on("SIGINT", end).on("SIGTERM", end)),
    () => Effect.sync(() => process.off("SIGINT", end).off("SIGTERM", end))
  ))
}

const agentModule = (name: string): { readonly system: System; readonly given: Promise<Omit<Agent, "crash">> } => {
  let give: (agent: Omit<Agent, "crash">) => void
  const given = new Promise<Omit<Agent, "crash">>((resolve) => (give = resolve))
  const system = defineModule({
    id: name, description: "An agent of the demo.", coordination: true, executors: ["fs.write"],
    run: async ({ act, coordination, signal }) => {
      give({ name, coordination, write: async (target, content) => void (await act("fs.write", { target, payload: { content } })) })
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
    }
  })
  return { system, given }
}

const drainMillis = 2_000

export const makeWorld = Effect.gen(function*(): Effect.fn.Return<World, LaunchError | DoorError | DockError | NotLaunched, Scope.Scope> {
  yield* environment
  const path = yield* scratch
  yield* cleared(path)
  let ahead = 0
  const clock = makeClock({ wall: () => systemSource.wall() + ahead, monotonic: () => systemSource.monotonic() + ahead })
  const config = yield* decodeConfig({ id: "demo", name: "Demo", store: ":memory:", executors: { "fs.write": { roots: ["."] } } }, "demo")
  const kernel: Hosted = yield* launchKernel({
    config, directory: path, modules: [], version, clock,
    source: (file) => Effect.fail(new ModuleRejected({ module: file, reason: "the demo loads no files" }))
  })
  yield* kernel.dock(coordinator())
  yield* kernel.launch
  const token = makeToken()
  const { url } = yield* Http.door({ token, executors: kernel.executors }).open(kernel)
  yield* makeHome(path)
  // The gate in front of commits finds the constellation as every command does: by the folder.
  yield* announce(path, { url, version, token })
  yield* Effect.addFinalizer(() => kernel.drainAll(drainMillis))
  return {
    path,
    dock: async (name) => {
      const { given, system } = agentModule(name)
      await Effect.runPromise(kernel.dock(system))
      return { ...(await given), crash: () => Effect.runPromise(kernel.undock(name)) }
    },
    read: (file) => readFileSync(join(path, file), "utf8"),
    put: (file, text) => {
      mkdirSync(dirname(join(path, file)), { recursive: true })
      writeFileSync(join(path, file), text)
    },
    git: (...args) =>
      new Promise((resolve, reject) => {
        execFile("git", ["-C", path, ...args], (error, stdout, stderr) => {
          if (error !== null && typeof error.code !== "number") return reject(error)
          resolve({ code: error === null ? 0 : Number(error.code), text: `${stdout}${stderr}`.trim() })
        })
      }),
    pass: (millis) => {
      ahead += millis
    }
  }
})
