// The loader: manifest -> policy -> dock -> first grants. Config and `aaax.module-loader` come through here.
import * as Effect from "effect/Effect"
import { ModuleRejected } from "../../protocol/errors.ts"
import { frameworks, type Manifest, type System } from "../../protocol/manifest.ts"
import { nearest, type ChannelId, type SystemId } from "../../protocol/names.ts"
import type { ModuleView } from "../../protocol/view.ts"
import { askNow } from "../authority/decide/ask.ts"
import type { Rules } from "../authority/decide/decision.ts"
import type { Journal } from "../authority/journal.ts"
import { grantsOf } from "../authority/state/grants.ts"
import { lookup } from "../authority/state/state.ts"
import { asksOf, moreThan } from "../../protocol/asks.ts"
import type { Isolation } from "../../protocol/tier.ts"
import { moduleOf, type ConfiguredModule, type ModuleConfig } from "../config.ts"
import { heldModulesMax } from "../limits.ts"
import { membersOf, readWhole } from "./composite.ts"
import type { Constellation, Docked } from "./constellation.ts"

/** A module file that was read: its system and the digest of its bytes. */
export interface LoadedModule {
  readonly system: System
  readonly file: string
  readonly digest: string
  /** Where its code runs; absent: in this process, as code of the host. */
  readonly isolation?: Isolation
  /** Ends what was started to read it, when it is not docked. */
  readonly release?: () => void
}

/** Who names a module: the project's config, its operator, or a system of the constellation. */
export type NamedBy = "config" | "operator" | "system"

/**
 * How module files are read; given by the host, because the kernel itself touches no files. `check` sees the digest of
 * its bytes before any of its code runs.
 */
export type ModuleSource = (
  file: string,
  check?: (digest: string, isolation?: Isolation) => Effect.Effect<void, ModuleRejected>,
  given?: { readonly id?: SystemId | undefined; readonly by: NamedBy }
) => Effect.Effect<LoadedModule, ModuleRejected>

/** How a program of framework `process` is started, so that it says what it is. */
export type ProgramSource = (entry: ModuleConfig, by: NamedBy) => Effect.Effect<LoadedModule, ModuleRejected>

export interface LoaderOptions {
  readonly constellation: Constellation
  readonly journal: Journal
  readonly rules: Rules
  readonly source: ModuleSource
  readonly program?: ProgramSource | undefined
}

export interface Loaded {
  readonly docked: Docked
  readonly wiring: ReadonlyArray<string>
  readonly capabilities: ReadonlyArray<string>
}

export interface Loader {
  /** `approved`: also when it asks for more than was approved before. */
  readonly load: (module: ConfiguredModule, origin: "config" | "runtime", configured: boolean, approved?: boolean) => Effect.Effect<Loaded, ModuleRejected>
  /** Reads a file and loads it; what is given beside it wins over its own manifest. */
  readonly loadFile: (
    file: string, given: Partial<Manifest>, configured: boolean, expectedDigest?: string
  ) => Effect.Effect<Loaded, ModuleRejected>
  /** Starts a program and loads it, for a system that asks for it. */
  readonly loadProgram: (entry: ModuleConfig) => Effect.Effect<Loaded, ModuleRejected>
  /** Loads what is held because it asks for more than was approved. */
  readonly approve: (id: string, by: SystemId) => Effect.Effect<Loaded, ModuleRejected>
  /** Whether it waits for somebody's approval, rather than being wrong. */
  readonly isHeld: (id: string) => boolean
  readonly views: () => ReadonlyArray<ModuleView>
}

/** What waits for an approval. */
interface HeldModule {
  readonly view: ModuleView
  readonly load: Effect.Effect<Loaded, ModuleRejected>
  readonly release: () => void
}

export const make = ({ constellation, journal, program, rules, source }: LoaderOptions): Loader => {
  const held = new Map<string, HeldModule>()

  const hold = (id: string, one: HeldModule): void => {
    held.get(id)?.release()
    held.delete(id)
    // More than that nobody reads through.
    if (held.size >= heldModulesMax) return one.release()
    held.set(id, one)
  }

  const loadOne = Effect.fnUntraced(function*(
    module: ConfiguredModule, origin: "config" | "runtime", configured: boolean, approved: boolean
  ): Effect.fn.Return<Loaded, ModuleRejected> {
    const { manifest } = module
    const reject = (reason: string) => new ModuleRejected({ module: manifest.id, reason })
    if ((manifest.framework === "lllm" || manifest.framework === "llm") && module.system === undefined) {
      return yield* reject(`framework '${manifest.framework}' needs lllm_toml, the path of a package, or settings with agents; and is loaded by config`)
    }
    if (manifest.framework === "esm" && module.system === undefined) {
      return yield* reject("framework 'esm' needs a file that exports a system (defineModule)")
    }
    if (manifest.framework === "process" && module.system === undefined) {
      return yield* reject("framework 'process' needs a command: the program and its arguments")
    }
    const isKnown = frameworks.some((framework) => framework === manifest.framework)
    if (!isKnown && module.system === undefined) {
      const near = nearest(manifest.framework, frameworks)
      yield* Effect.logWarning(
        `module ${manifest.id}: framework '${manifest.framework}' is not known, so it docks as a placeholder${near === undefined ? "" : `; did you mean '${near}'?`}`
      )
    }
    const ask = Effect.fnUntraced(function*(of: Manifest, added: ReadonlyArray<ChannelId>, privileged: boolean): Effect.fn.Return<string | undefined> {
      const verdict = yield* askNow(rules, journal.state(), {
        kind: "module",
        module: of.id,
        framework: of.framework,
        executors: of.executors,
        channels: [...added, ...of.reads, ...of.writes, ...of.takes],
        privileged,
        configured
      })
      return verdict.outcome === "allow" ? undefined : verdict.reason
    })
    const refusal = yield* ask(manifest, module.channels, module.privileged)
    if (refusal !== undefined) return yield* reject(refusal)
    const code = module.system === undefined ? undefined : yield* readWhole(module.system).pipe(Effect.mapError((error) => reject(error.message)))
    for (const { manifest: part } of code === undefined ? [] : membersOf(code).slice(1)) {
      const refused = yield* ask(part, [], part.privileged)
      if (refused !== undefined) return yield* reject(`its subsystem ${part.id}: ${refused}`)
    }
    const system: System = { ...code, manifest }
    const { isolation } = module
    const members = code === undefined ? [] : membersOf(code)
    const asks = isolation === undefined
      ? undefined
      : asksOf([manifest, ...members.slice(1).map((part) => part.manifest)], members.flatMap((part) => (part.executors ?? []).map(({ name }) => name)), isolation.tier)
    const before = lookup(journal.state().modules, manifest.id)?.asks
    // Code of others may become more cautious by itself, not more demanding.
    const more = asks === undefined || before === undefined || isolation?.trust === "first" ? [] : moreThan(before, asks)
    if (more.length > 0 && !approved) {
      hold(manifest.id, {
        view: {
          id: manifest.id, framework: manifest.framework, file: module.file, digest: module.digest, origin, status: "stopped",
          ...(isolation === undefined ? {} : isolation), needs: more
        },
        load: Effect.suspend(() => load(module, origin, configured, true)),
        release: () => module.release?.()
      })
      return yield* reject(`it asks for more than was approved (${more.slice(0, 5).join("; ")}). To approve it: aaax modules approve ${manifest.id}`)
    }
    if (isolation?.weak === true) {
      yield* Effect.logWarning(`module ${manifest.id} runs in tier '${isolation.tier}', which is weaker than its trust (${isolation.trust}) requires: isolation.allowWeakIsolation`)
    }
    const docked = yield* constellation.dock(system, {
      channels: module.channels,
      privileged: module.privileged,
      configured,
      module: {
        id: manifest.id, file: module.file, digest: module.digest, origin,
        ...(isolation === undefined ? {} : { isolation }), ...(asks === undefined ? {} : { asks })
      }
    }).pipe(Effect.mapError((error) => reject(error.message)))
    return {
      docked,
      wiring: [...docked.wiring.keys()],
      capabilities: grantsOf(journal.state(), manifest.id).map((grant) => grant.id)
    }
  })

  const load = (
    module: ConfiguredModule, origin: "config" | "runtime", configured: boolean, approved = false
  ): Effect.Effect<Loaded, ModuleRejected> =>
    loadOne(module, origin, configured, approved).pipe(
      Effect.tap(() => Effect.sync(() => void held.delete(module.manifest.id))),
      // What is held goes on waiting.
      Effect.onError(() => Effect.sync(() => {
        if (!held.has(module.manifest.id)) module.release?.()
      }))
    )

  const loadFile: Loader["loadFile"] = Effect.fnUntraced(function*(file, given, configured, expectedDigest) {
    const check = (digest: string, isolation?: Isolation): Effect.Effect<void, ModuleRejected> => {
      // What its publisher has signed anew is held against what it asks for.
      if (expectedDigest === undefined || expectedDigest === digest || isolation?.trust === "signed") return Effect.void
      const { id } = given
      if (id !== undefined) {
        hold(id, {
          view: { id, framework: "esm", file, digest, origin: "runtime", status: "stopped", ...isolation, needs: ["its file is another than the approved one"] },
          load: Effect.suspend(() => loadFile(file, given, configured)),
          release: () => {}
        })
      }
      return Effect.fail(new ModuleRejected({
        module: id ?? file,
        reason: `${file} has changed since it was loaded; load it again to approve the change: aaax modules load ${file}${id === undefined ? "" : `, or aaax modules approve ${id}`}`
      }))
    }
    const read = yield* source(file, check, { id: given.id, by: configured ? "operator" : "system" })
    // A source of a host's may not have asked.
    yield* check(read.digest, read.isolation)
    const manifest = { ...read.system.manifest, ...given }
    return yield* load({
      manifest, system: read.system, file: read.file, digest: read.digest, channels: [], privileged: manifest.privileged,
      ...(read.isolation === undefined ? {} : { isolation: read.isolation }), ...(read.release === undefined ? {} : { release: read.release })
    }, "runtime", configured)
  })

  return {
    load: (module, origin, configured, approved) => load(module, origin, configured, approved),
    loadFile,
    loadProgram: Effect.fnUntraced(function*(entry) {
      if (program === undefined) return yield* new ModuleRejected({ module: entry.id, reason: "this host starts no programs" })
      const read = yield* program(entry, "system")
      return yield* load(moduleOf(entry, { ...read, file: null }), "runtime", false)
    }),
    approve: Effect.fnUntraced(function*(id, by) {
      const one = held.get(id)
      if (one === undefined) return yield* new ModuleRejected({ module: id, reason: "nothing of it waits for an approval; aaax modules lists what does" })
      const { digest, needs = [] } = one.view
      yield* journal.submit((_, now) => ({ entries: [{ kind: "module.approved", at: now, module: id, digest, needs, by }], answer: undefined }))
      return yield* one.load
    }),
    isHeld: (id) => held.has(id),
    views: () => [
      ...[...held.values()].map(({ view }) => view),
      ...constellation.all().flatMap(({ request, status, system }) =>
        request.module === undefined
          ? []
          : [{ id: request.module.id, framework: system.manifest.framework, file: request.module.file, digest: request.module.digest, origin: request.module.origin, status, ...request.module.isolation }])
    ]
  }
}

export interface Returning {
  readonly id: string
  readonly file: string
  readonly digest: string
  /** What the operator vouched for when it was loaded, he vouches for when it returns; and nothing more. */
  readonly configured: boolean
}

/** Modules that were loaded at run time by an earlier kernel of this store and are not docked. */
export const toReturn = (journal: Journal, docked: (id: SystemId) => boolean): ReadonlyArray<Returning> => {
  const { modules, systems } = journal.state()
  return [...modules].flatMap(([, { digest, file, id, origin }]) =>
    origin === "runtime" && file !== null && digest !== null && !docked(id)
      ? [{ id, file, digest, configured: lookup(systems, id)?.configured ?? false }]
      : [])
}
