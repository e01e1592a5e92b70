// Launching: from a config to a kernel with its store, executors and modules. The one place where data becomes parts.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Context from "effect/Context"
import type * as Scope from "effect/Scope"
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import {
  ConfigInvalid, type ModuleRejected, StoreUnavailable, type ChannelExists, type EvidenceMismatch, type StoreCorrupt, type StoreFormat, type StoreLocked
} from "../protocol/errors.ts"
import { millisOf } from "../protocol/duration.ts"
import type { SystemId } from "../protocol/names.ts"
import type { ReadingPower, ReadFailure } from "../protocol/power.ts"
import * as Journal from "./authority/journal.ts"
import * as Channels from "./channel/channels.ts"
import { makeClock, type KernelClock } from "./clock.ts"
import type { ConfiguredModule, KernelConfig } from "./config.ts"
import type { ModuleSource, ProgramSource } from "./dock/loader.ts"
import { configured } from "./executor/configured.ts"
import { forExecutors } from "./executor/secrets.ts"
import { policyOfDocument } from "./guard/policy-document.ts"
import { canonical } from "./guard/canonical.ts"
import { makeSchemas, type Schemas } from "./guard/schemas.ts"
import * as Kernel from "./kernel.ts"
import { actCrypto } from "./power/act-crypto.ts"
import { sha256Bytes, sha256Hex } from "./power/digest.ts"
import { checkpointPlace, type Witness } from "./power/checkpoint-place.ts"
import { makeCedarEngine } from "./power/cedar-engine.ts"
import { loadPolicy } from "./power/policy-file.ts"
import { passphraseOf, readPassphrase } from "./power/passphrase.ts"
import { realPath } from "./power/place.ts"
import { readingPower } from "./power/reading.ts"
import { readSchemas } from "./power/schema-file.ts"
import { keyFile, tokenKeyFile } from "./power/token-key.ts"
import * as Memory from "./store/memory.ts"
import * as Sqlite from "./store/sqlite.ts"
import { Store, type StoreService } from "./store/store.ts"
import { version } from "./version.ts"

export interface LaunchOptions {
  readonly config: KernelConfig
  /** Absolute. What the constellation works on, and what relative paths of the config start from. */
  readonly directory: string
  readonly modules: ReadonlyArray<ConfiguredModule>
  readonly source: ModuleSource
  readonly program?: ProgramSource
  readonly version: string
  /** Systems that may not start: the watchdog ended the last run because of them. */
  readonly quarantine?: ReadonlyArray<SystemId>
  /** Names the system whose code runs now, for the watchdog. */
  readonly entered?: (system: string) => void
  /** A memory store in place of the configured one, and nothing started: for one step by hand. */
  readonly once?: boolean
  readonly clock?: KernelClock
  /** Shows a line to whoever sits in front of this process; absent: nobody does. */
  readonly terminal?: ((line: string) => void) | undefined
}

export type LaunchError =
  | ConfigInvalid | EvidenceMismatch | ModuleRejected | StoreLocked | StoreFormat | StoreUnavailable | StoreCorrupt | ChannelExists

/** The store of a config, open for as long as the scope. */
const openStore = (
  store: KernelConfig["store"], directory: string, clock: KernelClock
): Effect.Effect<StoreService, LaunchError, Scope.Scope> => {
  switch (store.backend) {
    case "memory":
      return Memory.make({ clock })
    case "sqlite":
      return Sqlite.make({ path: isAbsolute(store.path) ? store.path : join(directory, store.path), clock })
    case "layer":
      // A layer of the user's may fail with anything: it is told as a store that cannot be used.
      return Layer.build(store.layer).pipe(
        Effect.map((context) => Context.get(context, Store)),
        Effect.mapError((error) => new StoreUnavailable({ reason: String(error) }))
      )
  }
}

/** The schemas that channels name. */
const schemasOf = (config: KernelConfig, directory: string): Effect.Effect<Schemas, ConfigInvalid> =>
  readSchemas(config.schemas, directory, "").pipe(
    Effect.flatMap(makeSchemas),
    Effect.catchTag("InvalidPayload", ({ path, reason }) => new ConfigInvalid({ issues: [{ file: "", path: `schemas.${path}`, reason }] }))
  )

/** Beside the store: who may read one may read the other. A store that dies with the process needs no file. */
const tokenKeyOf = ({ config, directory, once }: LaunchOptions, store: StoreService): Pick<Kernel.Powers, "tokenKey" | "capabilityKey"> => {
  const { path } = store.statistics()
  if (once === true || config.store.backend === "memory") return {}
  const folder = path === null ? join(directory, ".aaax") : dirname(resolve(directory, path))
  return {
    tokenKey: tokenKeyFile(join(folder, "token-key.jwk")),
    capabilityKey: (generation) => keyFile(join(folder, `capability-key-${generation}.jwk`), "capability key")
  }
}

/**
 * Checkpoints lie in a folder of their own, beside the database and not in it. A store that dies with the process has none;
 * one that is the user's own says where they are to be.
 */
export const checkpointsOf = ({ config, directory, once }: Pick<LaunchOptions, "config" | "directory" | "once">, store: StoreService): Pick<Kernel.Powers, "checkpoints"> => {
  const { checkpoints, every, seconds, witness } = config.audit
  const { path } = store.statistics()
  if (once === true || config.store.backend === "memory" || (checkpoints === undefined && path === null)) return {}
  const folder = checkpoints === undefined
    ? join(dirname(resolve(directory, path!)), "checkpoints", basename(path!))
    : resolve(directory, checkpoints)
  const witnesses = (Array.isArray(witness) ? witness : [witness]).map((one: Witness): Witness =>
    typeof one === "string" && one !== "stdout" && !/^https?:\/\//u.test(one) ? resolve(directory, one) : one)
  return { checkpoints: { place: checkpointPlace({ folder, witnesses }), pace: { entries: every, millis: seconds * 1_000 } } }
}

/** Beside the store, for its owner alone; an approval from outside may be proved with it. */
export const passphraseFile = (config: Pick<KernelConfig, "store">, directory: string): string =>
  join(config.store.backend === "sqlite" ? dirname(resolve(directory, config.store.path)) : join(directory, ".aaax"), "approval-passphrase")

/** What proves that a human approves: the config's hash, else the file's. */
const passphraseIn = Effect.fnUntraced(function*({ config, directory, once }: LaunchOptions): Effect.fn.Return<Pick<Kernel.Powers, "passphrase">, ConfigInvalid> {
  const hash = config.approvals.passphrase ?? (once === true ? undefined : yield* readPassphrase(passphraseFile(config, directory)))
  return hash === undefined ? {} : { passphrase: passphraseOf(hash) }
})

/** Opens the store, folds the journal and docks the modules. Nothing runs before the kernel's `launch`. */
export const launchKernel = Effect.fnUntraced(function*(
  options: LaunchOptions
): Effect.fn.Return<Kernel.Hosted, LaunchError, Scope.Scope> {
  const { config, directory } = options
  const clock = options.clock ?? makeClock()
  const { make: makeCedar } = yield* makeCedarEngine
  const { document, policy } = yield* loadPolicy(config.policy, { directory, file: "config", makeCedar })
  const { executors, secrets } = yield* configured(config.executors, config.secrets, directory)
  const schemas = yield* schemasOf(config, directory)
  const passphrase = yield* passphraseIn(options)
  const store = yield* openStore(options.once === true ? { backend: "memory" } : config.store, directory, clock)
  const powerFor = (root: string): Effect.Effect<ReadingPower, ReadFailure> => readingPower(resolve(directory, root))
  const kernel = yield* Kernel.make({
    id: config.id,
    name: config.name,
    version: options.version,
    directory,
    store,
    clock,
    policy,
    policyDocument: document,
    makePolicy: (given) => policyOfDocument(given, "policy", "", makeCedar),
    executors,
    budgets: config.budgets,
    channels: config.channels,
    schemas,
    source: options.source,
    ...(options.program === undefined ? {} : { program: options.program }),
    powers: {
      secrets: forExecutors(secrets),
      sha256: sha256Hex, sha256Bytes, act: actCrypto, readingPower: powerFor, realPath, ...tokenKeyOf(options, store), ...checkpointsOf(options, store), ...passphrase,
      ...(options.terminal === undefined ? {} : { terminal: options.terminal })
    },
    approvalMillis: (config.approvals.ttl === undefined ? undefined : millisOf(config.approvals.ttl)) ?? config.approvals.expiryMillis,
    quorum: config.approvals.quorum,
    proofFrom: config.approvals.code,
    requestRetention: config.retention.requests,
    quarantine: options.quarantine ?? [],
    ...(options.entered === undefined ? {} : { entered: options.entered }),
    pid: process.pid
  })
  for (const module of options.modules) {
    yield* kernel.loader.load(module, "config", true).pipe(
      // What only waits for somebody's word does not keep the others down.
      Effect.catch((error) => (kernel.loader.isHeld(error.module) ? Effect.logWarning(error.message) : Effect.fail(error)))
    )
  }
  return kernel
})

/** The store of a config and its checkpoints, with nothing running over them: for whoever looks, or mends. */
export const openEvidence = Effect.fnUntraced(function*(
  options: Pick<LaunchOptions, "config" | "directory">
): Effect.fn.Return<{ readonly store: StoreService; readonly clock: KernelClock } & Pick<Kernel.Powers, "checkpoints">, LaunchError, Scope.Scope> {
  const clock = makeClock()
  const store = yield* openStore(options.config.store, options.directory, clock)
  return { store, clock, ...checkpointsOf(options, store) }
})

/**
 * Takes the journal as it is, although it does not agree with its checkpoints, and writes that down: with the reason, with
 * what was found, and with the checkpoint that is given up. Nothing else runs. Fails when nothing is wrong.
 */
export const acceptRollback = (options: Pick<LaunchOptions, "config" | "directory">, reason: string): Effect.Effect<void, LaunchError> =>
  Effect.scoped(Effect.gen(function*() {
    const { checkpoints, clock, store } = yield* openEvidence(options)
    if (checkpoints === undefined) return yield* new ConfigInvalid({ issues: [{ file: "", path: "store", reason: "no checkpoints are kept for this store." }] })
    const channels = yield* Channels.make({ store, clock, schemas: yield* Effect.orDie(makeSchemas()), boot: () => 0 })
    yield* Journal.make({
      channels, canonical, sha256: sha256Hex, sha256Bytes, kernel: options.config.id, version, durability: "strict",
      evidence: checkpoints, acceptRollback: reason
    })
  }))
