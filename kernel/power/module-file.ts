// Module files: read, looked at and given a tier, and run there. A host and the command line differ in how a script is run and
// where the bundled modules are; nothing else.
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { asksOf, moreThan } from "../../protocol/asks.ts"
import { ModuleRejected } from "../../protocol/errors.ts"
import type { System } from "../../protocol/manifest.ts"
import { nearest } from "../../protocol/names.ts"
import { floors, type Isolation, type Tier, type Trust } from "../../protocol/tier.ts"
import { commandOf, isSystem, moduleOf, type ConfiguredModule, type KernelConfig, type ModuleConfig } from "../config.ts"
import { membersOf, readWhole } from "../dock/composite.ts"
import type { LoadedModule, ModuleSource, NamedBy, ProgramSource } from "../dock/loader.ts"
import { decideTier } from "../dock/tier.ts"
import { digestOf, isInside, javaScriptOf, moduleFilesOf, type ModuleFile } from "../tier/files.ts"
import { readSigned, type SignedManifest } from "../tier/signature.ts"
import type { Tiers } from "../tier/tiers.ts"
import { findProgram } from "../tier/tools.ts"
import { version } from "../version.ts"
import { agentsOf, isTactic } from "./agents.ts"
import { bundledModules, isBundled, type BundledModule, type LoadBundled } from "./bundled.ts"
import { PackageInvalid } from "./lllm-package.ts"
import { relayModule, relaySettings, type Settings } from "./relay-settings.ts"
import { type RunScript, sentence } from "./script.ts"

export interface ModulePower {
  readonly run: RunScript
  readonly bundled: LoadBundled
  /** Absent: everything runs in this process, and nothing that must not. */
  readonly tiers?: Tiers
}

export interface ModuleFiles {
  /** How the running kernel reads a module file that it is asked to load. */
  readonly source: ModuleSource
  /** How it starts a program. */
  readonly program: ProgramSource
  /** Every module of a config, read, in order. */
  readonly ofConfig: (config: KernelConfig) => Effect.Effect<ReadonlyArray<ConfiguredModule>, ModuleRejected>
  /** Ends what was started. */
  readonly close: () => void
}

/** Modules that are read at once. */
const modulesAtOnce = 4

/** What is asked of one module beside its name. */
interface Wish {
  readonly module: string
  readonly id: string | undefined
  readonly settings: Settings
  readonly tier: Tier | undefined
  readonly limits: ModuleConfig["limits"]
  /** The digest that the config pins it to. */
  readonly pinned: string | undefined
  readonly by: NamedBy
  readonly check: NonNullable<Parameters<ModuleSource>[1]>
}

const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** What a file gives: a system, or a function of settings that gives one. */
const systemOf = (given: unknown, settings: Settings): System | undefined => {
  const made: unknown = typeof given === "function" && !isSystem(given) ? given(settings) : given
  return isSystem(made) ? made : undefined
}

/** What config says elsewhere for a bundled module is a setting of it. */
const settingsOf = (entry: ModuleConfig, config: KernelConfig, settings: Settings = entry.settings): Settings => ({
  id: entry.id,
  ...(entry.file === "aaax/modules/survey" ? { workers: config.survey.workers } : {}),
  ...settings
})

/** The system, once its manifest can be read. */
const prepared = (system: System, module: string): Effect.Effect<System, ModuleRejected> =>
  system.prepare === undefined
    ? Effect.succeed(system)
    : Effect.mapError(Effect.as(system.prepare, system), (error) => new ModuleRejected({ module, reason: `it could not be set up: ${sentence(error)}` }))

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

/** `base` is the folder that names of files start from, and the project whose own files are first party. */
export const moduleFiles = (base: string, power: ModulePower): ModuleFiles => {
  const { tiers } = power
  let isolation: KernelConfig["isolation"] = { allowWeakIsolation: false, publishers: [] }

  /** Where it runs. What a tier needs is tried only when it matters. */
  const tierFor = (trust: Trust, asked: Tier | undefined, least: Tier): Effect.Effect<Isolation | string> =>
    Effect.promise(async () => {
      const wish = asked ?? (trust === "first" ? least : undefined)
      const why = new Map<Tier, string>()
      const none = "this host runs modules in its own process alone"
      if (tiers === undefined) for (const tier of ["worker", "process", "jail"] as const) why.set(tier, none)
      else {
        for (const tier of new Set<Tier>([...(wish === undefined ? (["worker", "process", "jail"] as const) : [wish]), floors[trust]])) {
          const missing = await tiers.unavailable(tier)
          if (missing !== undefined) why.set(tier, missing)
        }
      }
      return decideTier({ trust, asked: wish, unavailable: (tier) => why.get(tier), allowWeak: isolation.allowWeakIsolation })
    })

  const trustOf = (path: string, by: NamedBy, signed: SignedManifest | undefined): Trust => {
    if (by !== "system" && isInside(base, path)) return "first"
    return signed !== undefined && isolation.publishers.includes(signed.publisher) ? "signed" : "third"
  }

  /** A path, or the name of an installed package, whose beginning is then the file. */
  const pathOf = (name: string): string | undefined => {
    const path = resolve(base, name)
    if (isFile(path) || name.startsWith(".") || name.startsWith("/") || !/^(?:@[\w.-]+\/)?[\w.-]+(?:\/[\w./-]+)?$/u.test(name)) return path
    try {
      return createRequire(join(base, "aaax.config.js")).resolve(name)
    } catch {
      return path
    }
  }

  const read = Effect.fnUntraced(function*(name: string, wish: Wish): Effect.fn.Return<LoadedModule, ModuleRejected> {
    const { check, module, settings } = wish
    if (tiers !== undefined) tiers.runWith(Effect.runForkWith(yield* Effect.context<never>()))
    const rejected = (reason: string): ModuleRejected => new ModuleRejected({ module, reason })
    const system = (file: string, given: unknown): Effect.Effect<System, ModuleRejected> =>
      Effect.flatMap(
        Effect.try({ try: () => systemOf(given, settings), catch: (error) => rejected(`${file} failed: ${sentence(error)}`) }),
        (made) => made === undefined
          ? Effect.fail(rejected(`${file}: its default export is no system: expected defineModule({ … }), or a function of settings that gives one`))
          : prepared(made, module)
      )
    const elsewhere = (
      file: string, where: Isolation, files: ReadonlyArray<ModuleFile>, bundled?: BundledModule
    ): Effect.Effect<Pick<LoadedModule, "system" | "release">, ModuleRejected> =>
      Effect.map(
        Effect.tryPromise({
          try: async () => tiers!.open(where.tier as Exclude<Tier, "in-process">, wish.id, { // it was decided with them
            is: "module",
            load: {
              frame: "load", file, files: bundled === undefined ? await javaScriptOf(files) : {}, settings,
              ...(bundled === undefined ? {} : { bundled })
            }
          }, wish.limits ?? {}),
          catch: (error) => rejected(`${file} did not come up in tier '${where.tier}': ${sentence(error)}`)
        }),
        ({ close, system: made }) => ({ system: made, release: close })
      )

    if (name.startsWith("aaax/")) {
      if (!isBundled(name)) {
        const near = nearest(name, bundledModules)
        return yield* rejected(`there is no bundled module ${name}.${near === undefined ? "" : ` Did you mean ${near}?`}`)
      }
      const where = yield* tierFor("first", wish.tier, "in-process")
      if (typeof where === "string") return yield* rejected(where)
      // Its code is part of the version.
      const digest = sha256(`${name}@${version}`)
      yield* check(digest, where)
      if (where.tier !== "in-process") return { ...yield* elsewhere(name, where, [], name), file: name, digest, isolation: where }
      const loaded = yield* Effect.tryPromise({ try: () => power.bundled(name), catch: (error) => rejected(`${name} cannot be loaded: ${sentence(error)}`) })
      return { system: yield* system(name, loaded.default), file: name, digest, isolation: where }
    }

    if (/^[a-z][a-z0-9+.-]+:\/\//iu.test(name)) {
      return yield* rejected(`${name} is on another machine, and nothing is loaded from there: fetch it, look at it, and name the file`)
    }
    const file = pathOf(name) ?? resolve(base, name)
    // Read once, so that what is digested is what is run.
    const bytes = yield* Effect.try({ try: () => readFileSync(file), catch: (error) => rejected(`${file} cannot be read: ${sentence(error)}`) })
    const own = trustOf(file, wish.by, undefined) === "first" && (wish.tier ?? "in-process") === "in-process" && !isFile(`${file}.signed.json`)
    const files = own ? [] : yield* Effect.try({ try: () => moduleFilesOf(file, trustOf(file, wish.by, undefined) === "first" ? base : undefined), catch: (error) => rejected(`${file} cannot be read: ${sentence(error)}`) })
    const signed = readSigned(files)
    if (typeof signed === "string") return yield* rejected(signed)
    const where = yield* tierFor(trustOf(file, wish.by, signed), wish.tier, "in-process")
    if (typeof where === "string") return yield* rejected(where)
    const digest = own ? sha256(bytes) : digestOf(files)
    if (wish.pinned !== undefined && wish.pinned !== digest) return yield* rejected(`${file} is pinned to ${wish.pinned} and is ${digest}`)
    yield* check(digest, where)
    const made = where.tier === "in-process"
      ? { system: yield* system(file, yield* Effect.tryPromise({
          // What was looked at is what is run.
          try: () => power.run(file, (files[0]?.bytes ?? bytes).toString("utf8")), catch: (error) => rejected(`${file} cannot be loaded: ${sentence(error)}`)
        })) }
      : yield* elsewhere(file, where, files)
    if (signed !== undefined) {
      const members = membersOf(yield* Effect.mapError(readWhole(made.system), ({ message }) => rejected(message)))
      const asks = asksOf(members.map(({ manifest }) => manifest), members.flatMap(({ executors = [] }) => executors.map((one) => one.name)), where.tier)
      // Where it runs is the config's to say.
      const more = moreThan({ ...signed.asks, tier: where.tier }, asks)
      if (more.length > 0) {
        if ("release" in made) made.release?.()
        return yield* rejected(`it asks for more than its publisher signed: ${more.slice(0, 5).join("; ")}`)
      }
    }
    return { ...made, file, digest, isolation: where }
  })

  const program = Effect.fnUntraced(function*(entry: ModuleConfig, by: NamedBy): Effect.fn.Return<LoadedModule, ModuleRejected> {
    const { id } = entry
    const rejected = (reason: string): ModuleRejected => new ModuleRejected({ module: id, reason })
    const [name, ...args] = commandOf(entry) ?? []
    if (name === undefined) return yield* rejected("framework 'process' needs a command: the program and its arguments")
    if (tiers === undefined) return yield* rejected("this host starts no programs")
    tiers.runWith(Effect.runForkWith(yield* Effect.context<never>()))
    const beside = resolve(base, name)
    const file = name.includes("/") && isFile(beside) ? beside : findProgram(name)
    if (file === undefined) return yield* rejected(`there is no program ${name}: neither in the folders of the system nor beside the config`)
    // Arguments that name files of the project are found from wherever it is started.
    const given = args.map((arg) => (isFile(resolve(base, arg)) ? resolve(base, arg) : arg))
    const files = given.filter((arg, at) => arg !== args[at] || isFile(arg))
    const whose: Trust = by !== "system" && [file, ...files].some((path) => isInside(base, path)) ? "first" : "third"
    const where = yield* tierFor(whose, entry.manifest?.tier ?? entry.tier, "process")
    if (typeof where === "string") return yield* rejected(where)
    if (where.tier === "in-process" || where.tier === "worker") return yield* rejected(`a program cannot run in tier '${where.tier}': it is a process of its own; ask for 'process' or 'jail'`)
    const { tier } = where
    const digest = yield* Effect.try({
      try: () => sha256(JSON.stringify([name, ...args, ...files.map((path) => sha256(readFileSync(path)))])),
      catch: (error) => rejected(`a file of it cannot be read: ${sentence(error)}`)
    })
    if (entry.digest !== undefined && entry.digest !== digest) return yield* rejected(`it is pinned to ${entry.digest} and is ${digest}`)
    const opened = yield* Effect.tryPromise({
      try: () => tiers.open(tier, id, { is: "program", file, args: given, files }, entry.limits ?? {}),
      catch: (error) => rejected(`${name} did not come up in tier '${tier}': ${sentence(error)}`)
    })
    return { system: opened.system, release: opened.close, file: files[0] ?? file, digest, isolation: where }
  })

  /** A tactic: the bundled module with what a package or the config's settings say. */
  const tactic = Effect.fnUntraced(function*(entry: ModuleConfig, config: KernelConfig, tier: Tier | undefined): Effect.fn.Return<ConfiguredModule, ModuleRejected> {
    const rejected = (reason: string): ModuleRejected => new ModuleRejected({ module: entry.id, reason })
    const toml = entry.lllmToml ?? entry.manifest?.lllm_toml ?? undefined
    const { strictBoot: strict, discoverSharedPackages: shared } = config.libos
    const found = yield* Effect.try({
      try: () => agentsOf(entry, toml, { directory: base, strict, shared }),
      catch: (error) => rejected(error instanceof PackageInvalid ? error.message : sentence(error))
    })
    if (found.ignored.length > 0) yield* Effect.logWarning(`module ${entry.id}: its package says what is not followed here: ${found.ignored.join(", ")}`)
    const loaded = yield* read("aaax/modules/llm", {
      module: entry.id, id: entry.id, settings: found.settings, tier, limits: entry.limits, pinned: undefined, by: "config", check: () => Effect.void
    })
    const digest = sha256(JSON.stringify([loaded.digest, ...found.files.map(({ bytes, path }) => [path, sha256(bytes)])]))
    if (entry.digest !== undefined && entry.digest !== digest) return yield* rejected(`it is pinned to ${entry.digest} and is ${digest}`)
    return moduleOf({ ...entry, framework: entry.framework ?? entry.manifest?.framework ?? "lllm" }, { ...loaded, digest })
  })

  const ofEntry = (entry: ModuleConfig, config: KernelConfig): Effect.Effect<ConfiguredModule, ModuleRejected> => {
    if (commandOf(entry) !== undefined) return Effect.map(program(entry, "config"), (loaded) => moduleOf({ ...entry, framework: "process" }, loaded))
    const tier = entry.manifest?.tier ?? entry.tier
    if (isTactic(entry)) return tactic(entry, config, tier)
    if (entry.file === undefined) {
      if (tier !== undefined && tier !== "in-process" && entry.system !== undefined) {
        return Effect.fail(new ModuleRejected({ module: entry.id, reason: `an object of this process cannot run in tier '${tier}': put it into a file, and name the file` }))
      }
      return Effect.map(entry.system === undefined ? Effect.void : prepared(entry.system, entry.id), () => moduleOf(entry))
    }
    const rejected = (reason: string): Effect.Effect<never, ModuleRejected> => Effect.fail(new ModuleRejected({ module: entry.id, reason }))
    const isRelay = entry.file === relayModule
    if (isRelay && tier !== undefined && tier !== "in-process") return rejected(`it writes a file of this process and cannot run in tier '${tier}'`)
    const relay = isRelay ? relaySettings(entry.settings, base) : undefined
    if (typeof relay === "string") return rejected(relay)
    return Effect.map(read(entry.file, {
      module: entry.id, id: entry.id, settings: settingsOf(entry, config, relay), tier, limits: entry.limits, pinned: entry.digest, by: "config", check: () => Effect.void
    }), (loaded) => moduleOf(entry, loaded))
  }

  return {
    source: (file, check = () => Effect.void, given = { by: "operator" }) =>
      read(file, { module: given.id ?? file, id: given.id, settings: {}, tier: undefined, limits: undefined, pinned: undefined, by: given.by, check }),
    program,
    ofConfig: (config) =>
      Effect.suspend(() => {
        isolation = config.isolation
        // Programs come up side by side; they are docked in order.
        return Effect.forEach(config.modules, (entry) => ofEntry(entry, config), { concurrency: modulesAtOnce })
      }),
    close: () => tiers?.close()
  }
}
