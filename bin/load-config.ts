// Finds a config and reads it: TypeScript and JavaScript through jiti, TOML and JSON as data. Then the modules it names.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { dirname, extname, isAbsolute, join, resolve } from "node:path"
import { type ConfiguredModule, decodeConfig, isSystem, type KernelConfig, moduleOf, type ModuleConfig } from "../kernel/config.ts"
import { ConfigInvalid, ModuleRejected } from "../protocol/errors.ts"
import type { ModuleSource } from "../kernel/dock/loader.ts"
import type { System } from "../protocol/manifest.ts"
import { nearest } from "../protocol/names.ts"
import { bundledModule, bundledModules } from "./bundled.ts"
import { defaultConfig } from "./default-config.ts"
import { NotFound } from "./failure.ts"

/** Looked for in this order. */
export const configNames = ["aaax.config.ts", "aaax.config.js", "aaax.config.mjs", "aaax.config.json", "aaax.toml"] as const

const scripts = new Set([".ts", ".mts", ".js", ".mjs", ".cts", ".cjs"])

export interface LoadedConfig {
  /** Absolute; null for the default constellation. */
  readonly file: string | null
  readonly config: KernelConfig
}

const invalid = (file: string, reason: string, path = ""): ConfigInvalid => new ConfigInvalid({ issues: [{ file, path, reason }] })

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * Runs a script of the user's. `aaax` and `effect` in it are the copies that are running, whatever is installed beside
 * it and wherever it lies, so that there is one instance of each.
 */
const importScript = (file: string): Effect.Effect<unknown, ConfigInvalid> =>
  Effect.tryPromise({
    try: async () => {
      const [{ createJiti }, { ourselves }] = await Promise.all([import("jiti"), import("./ourselves.ts")])
      const jiti = createJiti(file, { fsCache: true, interopDefault: false, tryNative: false, virtualModules: ourselves })
      const loaded: unknown = await jiti.import(file)
      return typeof loaded === "object" && loaded !== null && "default" in loaded ? loaded.default : loaded
    },
    catch: (error) => invalid(file, `it cannot be loaded: ${sentence(error)}`)
  })

const parse = Effect.fnUntraced(function*(file: string): Effect.fn.Return<unknown, ConfigInvalid> {
  const extension = extname(file)
  if (scripts.has(extension)) return yield* importScript(file)
  const text = yield* Effect.try({ try: () => readFileSync(file, "utf8"), catch: (error) => invalid(file, `it cannot be read: ${sentence(error)}`) })
  if (extension === ".toml") {
    const Toml = yield* Effect.promise(() => import("effect/encoding/Toml"))
    const parsed = Toml.parse(text)
    return Result.isSuccess(parsed) ? parsed.success : yield* invalid(file, `it is not TOML: ${sentence(parsed.failure)}`)
  }
  if (extension === ".json") {
    return yield* Effect.try({ try: (): unknown => JSON.parse(text), catch: (error) => invalid(file, `it is not JSON: ${sentence(error)}`) })
  }
  return yield* invalid(file, `a config is one of ${configNames.join(", ")}; its ending says what it is.`)
})

/** The config of a folder, or the given file. Nothing there: the default constellation. */
export const loadConfig = Effect.fnUntraced(function*(options: {
  readonly directory: string
  /** As the user said it, from the folder that the command was called in. */
  readonly file?: string | undefined
}): Effect.fn.Return<LoadedConfig, ConfigInvalid | NotFound> {
  const given = options.file === undefined ? undefined : resolve(options.file)
  if (given !== undefined && !existsSync(given)) return yield* new NotFound({ what: given })
  const file = given ?? configNames.map((name) => join(options.directory, name)).find((path) => existsSync(path))
  if (file === undefined) return { file: null, config: yield* decodeConfig(defaultConfig(), "the default constellation") }
  const config = yield* decodeConfig(yield* parse(file), file)
  return { file, config: { ...config, ...(yield* policyFile(config, file)) } }
})

/** A policy that names a file becomes the table in it. */
const policyFile = Effect.fnUntraced(function*(
  config: KernelConfig, from: string
): Effect.fn.Return<Pick<KernelConfig, "policy">, ConfigInvalid> {
  if (typeof config.policy !== "string" || config.policy === "default") return config.policy === undefined ? {} : { policy: config.policy }
  const file = resolve(dirname(from), config.policy)
  if (!existsSync(file)) {
    return yield* new ConfigInvalid({
      issues: [{
        file: from, path: "policy", reason: `there is no rule file ${file}; expected "default" or the path of one.`,
        ...(nearest(config.policy, ["default"]) === undefined ? {} : { nearest: "default" })
      }]
    })
  }
  const table = yield* parse(file)
  // Rule files of the ancestor may hold their table under `policy`.
  const inner = typeof table === "object" && table !== null && "policy" in table && Object.keys(table).length === 1 ? table.policy : table
  if (typeof inner !== "object" || inner === null) return yield* invalid(file, "expected a table of rules.")
  return { policy: inner as Readonly<Record<string, unknown>> } // an object, as was just seen
})

/** What a module file gives: a system, several, or a function of settings that gives them. */
const systemsOf = (loaded: unknown, settings: Readonly<Record<string, unknown>>): ReadonlyArray<System> => {
  const made: unknown = typeof loaded === "function" && !isSystem(loaded) ? loaded(settings) : loaded
  const all: ReadonlyArray<unknown> = Array.isArray(made) ? made : [made]
  return all.every(isSystem) ? all : []
}

interface LoadedFile {
  readonly systems: ReadonlyArray<System>
  readonly file: string
  readonly digest: string
}

const loadFile = Effect.fnUntraced(function*(
  file: string, settings: Readonly<Record<string, unknown>>, id: string
): Effect.fn.Return<LoadedFile, ModuleRejected> {
  const rejected = (reason: string): ModuleRejected => new ModuleRejected({ module: id, reason })
  const systemsIn = Effect.fnUntraced(function*(loaded: unknown, digest: string): Effect.fn.Return<LoadedFile, ModuleRejected> {
    const systems = yield* Effect.try({ try: () => systemsOf(loaded, settings), catch: (error) => rejected(`${file} failed: ${sentence(error)}`) })
    return systems.length > 0
      ? { systems, file, digest }
      : yield* rejected(`${file}: its default export is no system: expected defineModule({ … }), or a function of settings that gives one`)
  })
  const bundled = bundledModule(file)
  if (bundled !== undefined) return yield* systemsIn((yield* Effect.promise(bundled.load)).default, bundled.digest)
  if (file.startsWith("aaax/")) {
    const near = nearest(file, bundledModules)
    return yield* rejected(`there is no bundled module ${file}.${near === undefined ? "" : ` Did you mean ${near}?`}`)
  }
  const bytes = yield* Effect.try({ try: () => readFileSync(file), catch: (error) => rejected(`${file} cannot be read: ${sentence(error)}`) })
  const loaded = yield* Effect.mapError(importScript(file), (error) => rejected(error.issues.map(({ reason }) => `${file}: ${reason}`).join(" ")))
  return yield* systemsIn(loaded, createHash("sha256").update(bytes).digest("hex"))
})

/** How the running kernel reads a module file that it is asked to load: one system. */
export const moduleSource: ModuleSource = Effect.fnUntraced(function*(file) {
  const { systems: [system, ...more], digest } = yield* loadFile(file, {}, file)
  if (system === undefined || more.length > 0) {
    return yield* new ModuleRejected({ module: file, reason: `${file} gives ${more.length + 1} systems; name it in the config to have them all` })
  }
  return { system, file, digest }
})

/** Every module of a config, loaded, in order. A file that gives several systems is several modules: the first has the entry's id. */
export const loadModules = (loaded: LoadedConfig, directory: string): Effect.Effect<ReadonlyArray<ConfiguredModule>, ModuleRejected> =>
  Effect.map(
    Effect.forEach(loaded.config.modules, Effect.fnUntraced(function*(entry: ModuleConfig) {
      if (entry.file === undefined) return [moduleOf(entry)]
      const base = loaded.file === null ? directory : dirname(loaded.file)
      const place = entry.file.startsWith("aaax/") || isAbsolute(entry.file) ? entry.file : resolve(base, entry.file)
      const { systems, file, digest } = yield* loadFile(place, { id: entry.id, ...settingsOf(entry, loaded.config) }, entry.id)
      // What the entry asks for is for the first; the others ask for what their own manifests say.
      const { manifest: _, ...plain } = entry
      return systems.map((system, at) =>
        moduleOf(at === 0 ? entry : { ...plain, id: system.manifest.id, executors: [], remoteChannels: [] }, { system, file, digest }))
    })),
    (modules) => modules.flat()
  )

/** What config says elsewhere for a bundled module is a setting of it. */
const settingsOf = (entry: ModuleConfig, config: KernelConfig): Readonly<Record<string, unknown>> =>
  entry.file === "aaax/modules/survey" ? { workers: config.survey.workers, ...entry.settings } : entry.settings
