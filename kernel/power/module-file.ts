// Module files: read, run, and what they give looked at. A host and the command line differ in how a script is run and
// where the bundled modules are; nothing else.
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { ModuleRejected } from "../../protocol/errors.ts"
import type { System } from "../../protocol/manifest.ts"
import { nearest } from "../../protocol/names.ts"
import { isSystem, moduleOf, type ConfiguredModule, type KernelConfig, type ModuleConfig } from "../config.ts"
import type { LoadedModule, ModuleSource } from "../dock/loader.ts"
import { version } from "../version.ts"
import { bundledModules, isBundled, type LoadBundled } from "./bundled.ts"
import { type RunScript, sentence } from "./script.ts"

export interface ModulePower {
  readonly run: RunScript
  readonly bundled: LoadBundled
}

export interface ModuleFiles {
  /** How the running kernel reads a module file that it is asked to load. */
  readonly source: ModuleSource
  /** Every module of a config, read, in order. */
  readonly ofConfig: (config: KernelConfig) => Effect.Effect<ReadonlyArray<ConfiguredModule>, ModuleRejected>
}

type Settings = Readonly<Record<string, unknown>>

const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** What a file gives: a system, or a function of settings that gives one. */
const systemOf = (given: unknown, settings: Settings): System | undefined => {
  const made: unknown = typeof given === "function" && !isSystem(given) ? given(settings) : given
  return isSystem(made) ? made : undefined
}

/** What config says elsewhere for a bundled module is a setting of it. */
const settingsOf = (entry: ModuleConfig, config: KernelConfig): Settings => ({
  id: entry.id,
  ...(entry.file === "aaax/modules/survey" ? { workers: config.survey.workers } : {}),
  ...entry.settings
})

/** The system, once its manifest can be read. */
const prepared = (system: System, module: string): Effect.Effect<System, ModuleRejected> =>
  system.prepare === undefined
    ? Effect.succeed(system)
    : Effect.mapError(Effect.as(system.prepare, system), (error) => new ModuleRejected({ module, reason: `it could not be set up: ${sentence(error)}` }))

/** `base` is the folder that names of files start from. */
export const moduleFiles = (base: string, power: ModulePower): ModuleFiles => {
  const read = Effect.fnUntraced(function*(
    name: string, module: string, settings: Settings, check: NonNullable<Parameters<ModuleSource>[1]>
  ): Effect.fn.Return<LoadedModule, ModuleRejected> {
    const rejected = (reason: string): ModuleRejected => new ModuleRejected({ module, reason })
    const system = (file: string, given: unknown): Effect.Effect<System, ModuleRejected> =>
      Effect.flatMap(
        Effect.try({ try: () => systemOf(given, settings), catch: (error) => rejected(`${file} failed: ${sentence(error)}`) }),
        (made) => made === undefined
          ? Effect.fail(rejected(`${file}: its default export is no system: expected defineModule({ … }), or a function of settings that gives one`))
          : prepared(made, module)
      )

    if (name.startsWith("aaax/")) {
      if (!isBundled(name)) {
        const near = nearest(name, bundledModules)
        return yield* rejected(`there is no bundled module ${name}.${near === undefined ? "" : ` Did you mean ${near}?`}`)
      }
      // Its code is part of the version.
      const digest = sha256(`${name}@${version}`)
      yield* check(digest)
      const loaded = yield* Effect.tryPromise({ try: () => power.bundled(name), catch: (error) => rejected(`${name} cannot be loaded: ${sentence(error)}`) })
      return { system: yield* system(name, loaded.default), file: name, digest }
    }

    const file = resolve(base, name)
    // Read once, so that what is digested is what is run.
    const bytes = yield* Effect.try({ try: () => readFileSync(file), catch: (error) => rejected(`${file} cannot be read: ${sentence(error)}`) })
    const digest = sha256(bytes)
    yield* check(digest)
    const given = yield* Effect.tryPromise({
      try: () => power.run(file, bytes.toString("utf8")), catch: (error) => rejected(`${file} cannot be loaded: ${sentence(error)}`)
    })
    return { system: yield* system(file, given), file, digest }
  })

  return {
    source: (file, check = () => Effect.void) => read(file, file, {}, check),
    ofConfig: (config) =>
      Effect.forEach(config.modules, (entry) =>
        entry.file === undefined
          ? Effect.map(entry.system === undefined ? Effect.void : prepared(entry.system, entry.id), () => moduleOf(entry))
          : Effect.map(read(entry.file, entry.id, settingsOf(entry, config), () => Effect.void), (loaded) => moduleOf(entry, loaded)))
  }
}
