// The loader: manifest -> policy -> dock -> first grants. Config and `aaax.module-loader` come through here.
import * as Effect from "effect/Effect"
import { ModuleRejected } from "../../protocol/errors.ts"
import { frameworks, type Manifest, type System } from "../../protocol/manifest.ts"
import { nearest, type ChannelId, type SystemId } from "../../protocol/names.ts"
import type { ModuleView } from "../../protocol/view.ts"
import type { Rules } from "../authority/decide/decision.ts"
import type { Journal } from "../authority/journal.ts"
import { grantsOf } from "../authority/state/grants.ts"
import { lookup } from "../authority/state/state.ts"
import type { ConfiguredModule } from "../config.ts"
import { membersOf, readWhole } from "./composite.ts"
import type { Constellation, Docked } from "./constellation.ts"

/** A module file that was read: its system and the digest of its bytes. */
export interface LoadedModule {
  readonly system: System
  readonly file: string
  readonly digest: string
}

/**
 * How module files are read; given by the host, because the kernel itself touches no files. `check` sees the digest of
 * its bytes before any of its code runs.
 */
export type ModuleSource = (
  file: string, check?: (digest: string) => Effect.Effect<void, ModuleRejected>
) => Effect.Effect<LoadedModule, ModuleRejected>

export interface LoaderOptions {
  readonly constellation: Constellation
  readonly journal: Journal
  readonly rules: Rules
  readonly source: ModuleSource
}

export interface Loaded {
  readonly docked: Docked
  readonly wiring: ReadonlyArray<string>
  readonly capabilities: ReadonlyArray<string>
}

export interface Loader {
  readonly load: (module: ConfiguredModule, origin: "config" | "runtime", configured: boolean) => Effect.Effect<Loaded, ModuleRejected>
  /** Reads a file and loads it; what is given beside it wins over its own manifest. */
  readonly loadFile: (
    file: string, given: Partial<Manifest>, configured: boolean, expectedDigest?: string
  ) => Effect.Effect<Loaded, ModuleRejected>
  readonly views: () => ReadonlyArray<ModuleView>
}

/** Named by the ancestor or by us, and not part of this version: refused by name, never docked as a placeholder. */
const unavailable: ReadonlySet<string> = new Set(["process", "llm", "lllm"])

export const make = ({ constellation, journal, rules, source }: LoaderOptions): Loader => {
  const load: Loader["load"] = Effect.fnUntraced(function*(module, origin, configured) {
    const { manifest } = module
    const reject = (reason: string) => new ModuleRejected({ module: manifest.id, reason })
    if (manifest.framework === "lllm" && module.lllmToml === undefined) {
      return yield* reject("framework 'lllm' needs lllm_toml, and is not offered by this version; use framework 'esm' with a file")
    }
    if (unavailable.has(manifest.framework)) {
      return yield* reject(`framework '${manifest.framework}' is not offered by this version; use framework 'esm' with a file`)
    }
    if (manifest.framework === "esm" && module.system === undefined) {
      return yield* reject("framework 'esm' needs a file that exports a system (defineModule)")
    }
    const isKnown = frameworks.some((framework) => framework === manifest.framework)
    if (!isKnown && module.system === undefined) {
      const near = nearest(manifest.framework, frameworks)
      yield* Effect.logWarning(
        `module ${manifest.id}: framework '${manifest.framework}' is not known, so it docks as a placeholder${near === undefined ? "" : `; did you mean '${near}'?`}`
      )
    }
    const ask = (of: Manifest, added: ReadonlyArray<ChannelId>, privileged: boolean): string | undefined => {
      const verdict = rules.policy.ask({
        kind: "module",
        module: of.id,
        framework: of.framework,
        executors: of.executors,
        channels: [...added, ...of.reads, ...of.writes, ...of.takes],
        privileged,
        configured
      })
      return verdict.outcome === "allow" ? undefined : verdict.reason
    }
    const refusal = ask(manifest, module.channels, module.privileged)
    if (refusal !== undefined) return yield* reject(refusal)
    const code = module.system === undefined ? undefined : yield* readWhole(module.system).pipe(Effect.mapError((error) => reject(error.message)))
    for (const { manifest: part } of code === undefined ? [] : membersOf(code).slice(1)) {
      const refused = ask(part, [], part.privileged)
      if (refused !== undefined) return yield* reject(`its subsystem ${part.id}: ${refused}`)
    }
    const system: System = { ...code, manifest }
    const docked = yield* constellation.dock(system, {
      channels: module.channels,
      privileged: module.privileged,
      configured,
      module: { id: manifest.id, file: module.file, digest: module.digest, origin }
    }).pipe(Effect.mapError((error) => reject(error.message)))
    return {
      docked,
      wiring: [...docked.wiring.keys()],
      capabilities: grantsOf(journal.state(), manifest.id).map((grant) => grant.id)
    }
  })

  const loadFile: Loader["loadFile"] = Effect.fnUntraced(function*(file, given, configured, expectedDigest) {
    const check = (digest: string): Effect.Effect<void, ModuleRejected> =>
      expectedDigest === undefined || expectedDigest === digest
        ? Effect.void
        : Effect.fail(new ModuleRejected({
            module: given.id ?? file,
            reason: `${file} has changed since it was loaded; load it again to approve the change: aaax modules load ${file}`
          }))
    const read = yield* source(file, check)
    // A source of a host's may not have asked.
    yield* check(read.digest)
    const manifest = { ...read.system.manifest, ...given }
    return yield* load({
      manifest, system: read.system, file: read.file, digest: read.digest, channels: [], privileged: manifest.privileged
    }, "runtime", configured)
  })

  return {
    load,
    loadFile,
    views: () =>
      constellation.all().flatMap(({ request, status, system }) =>
        request.module === undefined
          ? []
          : [{ id: request.module.id, framework: system.manifest.framework, file: request.module.file, digest: request.module.digest, origin: request.module.origin, status }])
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
