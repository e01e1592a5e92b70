// Tiers for tests: the child that runs modules is built once, and a folder is a project of its own.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { ourselves } from "../../bin/ourselves.ts"
import { decodeConfig } from "../../kernel/config.ts"
import { promised } from "../../kernel/host.ts"
import type { Hosted } from "../../kernel/kernel.ts"
import { launchKernel } from "../../kernel/launch.ts"
import { installed } from "../../kernel/power/bundled.ts"
import { moduleFiles } from "../../kernel/power/module-file.ts"
import { scriptRunner } from "../../kernel/power/script.ts"
import type { Tools } from "../../kernel/tier/command.ts"
import { findTools } from "../../kernel/tier/tools.ts"
import { makeTiers, type Tiers } from "../../kernel/tier/tiers.ts"
import type { Tier } from "../../protocol/tier.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Builds it when it is older than what it is made of. */
export const buildChild = (): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [join(root, "scripts/build.mjs"), "--tier-only"], (error, _, stderr) => (error === null ? resolve() : reject(new Error(stderr))))
  })

/** The tiers that this machine has; those that it has not, with the reason that is given. */
export const tiersHere = async (): Promise<{ readonly tiers: Tiers; readonly missing: ReadonlyMap<Tier, string> }> => {
  await buildChild()
  const tiers = makeTiers()
  const missing = new Map<Tier, string>()
  for (const tier of ["worker", "process", "jail"] as const) {
    const why = await tiers.unavailable(tier)
    if (why !== undefined) missing.set(tier, why)
  }
  return { tiers, missing }
}

export interface Project {
  readonly path: string
  /** Writes a file and answers its path. */
  readonly write: (name: string, text: string) => string
  readonly remove: () => void
}

export const project = (): Project => {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "aaax-tier-test-")))
  return {
    path,
    write: (name, text) => {
      const file = join(path, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      return file
    },
    remove: () => rmSync(path, { recursive: true, force: true })
  }
}

export interface RunningProject {
  readonly kernel: Hosted
  readonly close: () => Promise<void>
}

/** A kernel over the modules of a config in a folder, with the given tools of isolation. */
export const launchProject = async (folder: string, config: object, options: { readonly tools?: Partial<Tools>; readonly store?: string } = {}): Promise<RunningProject> => {
  const scope = Scope.makeUnsafe()
  const close = (): Promise<void> => promised(Scope.close(scope, Exit.void))
  try {
    const kernel = await promised(Scope.provide(Effect.gen(function*() {
      const decoded = yield* decodeConfig({ store: options.store ?? ":memory:", policy: "default", ...config }, "test")
      const tiers = makeTiers({ tools: { ...findTools(), ...options.tools } })
      const files = moduleFiles(folder, { run: scriptRunner(async () => ourselves), bundled: installed, tiers })
      yield* Effect.addFinalizer(() => Effect.sync(files.close))
      const made = yield* launchKernel({
        config: decoded, directory: folder, modules: yield* files.ofConfig(decoded), source: files.source, program: files.program, version: "0"
      })
      yield* made.launch
      return made
    }), scope))
    return {
      kernel,
      close: async () => {
        await promised(kernel.drainAll(500))
        await close()
      }
    }
  } catch (error) {
    await close()
    throw error
  }
}
