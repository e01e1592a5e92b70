// The kernel, as hosts, doors and the command line see it. Composes the rooms; the only file that knows them all.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Policy } from "../protocol/authority.ts"
import type { BudgetSpec } from "../protocol/budget.ts"
import { channelOf, type ChannelSpec, type Durability } from "../protocol/channel.ts"
import { millisOf } from "../protocol/duration.ts"
import {
  ConfigInvalid, ModuleRejected, type ChannelExists, type DockRefused, type EvidenceMismatch, type StoreCorrupt, type StoreUnavailable,
  type SystemExists, type SystemNotFound
} from "../protocol/errors.ts"
import type { Event } from "../protocol/event.ts"
import type { Executor } from "../protocol/executor.ts"
import { doorPrefix, underWay } from "../protocol/coordination.ts"
import { drainSecondsDefault } from "../protocol/lifecycle.ts"
import { emptyManifest, type Converter, type Manifest, type System } from "../protocol/manifest.ts"
import { kernelSystem, type ChannelId, type Cursor, type SystemId } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import type { ReadFailure, ReadingPower } from "../protocol/power.ts"
import type { ChannelSecurity } from "../protocol/security.ts"
import type { AuditReport, ChannelView, KernelStatus, ModuleView, SystemView } from "../protocol/view.ts"
import * as wellKnown from "../protocol/well-known.ts"
import * as Evidence_ from "./authority/evidence/evidence.ts"
import type { Evidence } from "./authority/evidence/evidence.ts"
import * as Budgets_ from "./authority/budgets.ts"
import type { Budgets } from "./authority/budgets.ts"
import { decideConfigured } from "./authority/decide/budget.ts"
import * as Compensation_ from "./authority/compensation.ts"
import * as Declassify from "./authority/declassify.ts"
import { knowsNoArtifacts, labelsOfArtifact, removedFrom } from "./authority/state/labels.ts"
import type { Rules } from "./authority/decide/decision.ts"
import { decideStatus } from "./authority/decide/system.ts"
import * as Gate_ from "./authority/gate.ts"
import type { Gate } from "./authority/gate.ts"
import { makeProof, type ProofFrom } from "./authority/gate/proof.ts"
import * as Grants_ from "./authority/grants.ts"
import type { Grants } from "./authority/grants.ts"
import { lostPolicy } from "./authority/decide/ask.ts"
import * as Policies_ from "./authority/policies.ts"
import { makeShelf, type MadePolicy, type Policies } from "./authority/policies.ts"
import type { PolicyDocument } from "./guard/policy-document.ts"
import * as Journal_ from "./authority/journal.ts"
import type { Journal } from "./authority/journal.ts"
import type { CheckpointPace, CheckpointPlace } from "./authority/evidence/place.ts"
import { oldestOpenRequest } from "./authority/state/warrants.ts"
import * as Scopes from "./authority/scopes.ts"
import * as Projections from "./authority/projections.ts"
import * as Warrants from "./authority/warrants.ts"
import * as Channels from "./channel/channels.ts"
import type { ChannelsService } from "./channel/channels.ts"
import type { KernelClock } from "./clock.ts"
import { composite } from "./dock/composite.ts"
import * as Constellation_ from "./dock/constellation.ts"
import * as Loader_ from "./dock/loader.ts"
import type { Loader, ModuleSource, ProgramSource } from "./dock/loader.ts"
import * as Replace from "./dock/replace.ts"
import { makeCatalog, type Catalog } from "./executor/catalog.ts"
import { makeRegistry } from "./executor/registry.ts"
import { makePendingRequests } from "./guard/admission.ts"
import { makeTokens, tokenKeyInMemory, type SigningKey, type Tokens } from "./guard/tokens.ts"
import { canonical } from "./guard/canonical.ts"
import { makeCircuits } from "./guard/circuit.ts"
import type { ActCrypto } from "./guard/act/chain.ts"
import { makeEdge, type Edge } from "./guard/act/edge.ts"
import { makeChainReader } from "./guard/act/reader.ts"
import { makeSchemas, type Schemas } from "./guard/schemas.ts"
import { progressRetention, requestAttemptsMax, requestRetention } from "./limits.ts"
import * as ActionService from "./service/action.ts"
import * as CapabilityService from "./service/capability.ts"
import * as Heartbeat from "./service/heartbeat.ts"
import * as LifecycleService from "./service/lifecycle.ts"
import * as ModuleService from "./service/module.ts"
import * as Resources_ from "./resource/resources.ts"
import type { Resources } from "./resource/resources.ts"
import type { ServiceRoom } from "./service/service.ts"
import type { StoreService } from "./store/store.ts"

export interface DockOptions {
  /** Channels of others that it is wired to, for reading and appending, beside those of its manifest. */
  readonly channels?: ReadonlyArray<ChannelId>
  readonly privileged?: boolean
  /** It runs elsewhere, and came with a bearer token: what it may do has its bound there. */
  readonly bearer?: boolean
  /** The operator's config vouches for the manifest: what it declares is granted without asking a rule. */
  readonly configured?: boolean
  /** For code that runs elsewhere: why it cannot be reached now, or nothing. Views show it as failed meanwhile. */
  readonly unreachable?: () => string | undefined
}

export interface Docked {
  readonly id: SystemId
  readonly port: Port
}

export type { Gate }

export type DockError = SystemExists | ChannelExists | DockRefused | ModuleRejected | StoreUnavailable

export interface Kernel {
  readonly id: string
  readonly name: string
  readonly channels: ChannelsService
  /** Subscriptions, artifacts, snapshots and events as visitors may use them. */
  readonly resources: Resources
  /** Docks a system and starts it. Nothing is left half-wired when it fails. */
  readonly dock: (system: System, options?: DockOptions) => Effect.Effect<Docked, DockError>
  /**
   * Docks somebody outside: its port reaches every PUBLIC channel and no other. The one that is docked under this name as
   * a guest already is given again; any other system under this name keeps it. `enrolled`: it came with a key of its own, and
   * may ask the kernel for authority and for effects.
   */
  readonly dockGuest: (id: SystemId, description?: string, options?: { readonly enrolled?: boolean }) => Effect.Effect<Docked, DockError>
  /**
   * Docks a connection of a coordination door: wired to coordination and to nothing else, or, where a credential is of this name, as
   * its guest. Nothing is journalled of its coming and going. Answers also how it leaves.
   */
  readonly dockSeat: (id: SystemId) => Effect.Effect<Docked & { readonly leave: Effect.Effect<void> }, DockError>
  /** Whether a system, a module, a token or a key has this name, so that nobody else may speak under it. */
  readonly isTaken: (name: string) => boolean
  /** The guest that is docked under this name. */
  readonly guest: (id: SystemId) => Docked | undefined
  /** The security of a channel whose provider gave it one. */
  readonly securityOf: (channel: ChannelId) => ChannelSecurity | undefined
  /** What the provider's own code makes of a raw write to its channel, while it is docked. */
  readonly converterOf: (channel: ChannelId) => Converter | undefined
  readonly securities: () => ReadonlyArray<ChannelSecurity>
  /** Tokens for those outside. */
  readonly tokens: Tokens
  /** Keys of systems outside, and tokens for grants. */
  readonly edge: Edge
  /** Revokes its grants, takes its port and channels' wiring back and stops it. Unknown id: no effect. */
  readonly undock: (id: SystemId) => Effect.Effect<void>
  readonly pause: (id: SystemId) => Effect.Effect<void, SystemNotFound>
  readonly resume: (id: SystemId) => Effect.Effect<void, SystemNotFound>
  readonly drain: (id: SystemId, timeoutMillis?: number) => Effect.Effect<void, SystemNotFound>
  readonly revoke: (id: SystemId) => Effect.Effect<void, SystemNotFound>
  readonly gate: Gate
  /** What is in force, why it says what it says, its log, and the kill switch. */
  readonly policies: Policies
  readonly grants: Grants
  readonly budgets: Budgets
  /** What is served, and the secrets that go with it. */
  readonly catalog: Catalog
  readonly modules: () => ReadonlyArray<ModuleView>
  /** Loads an `esm` module file at run time, as `aaax.module-loader` would. */
  readonly loadModule: (manifest: Partial<Manifest> & { readonly file?: string; readonly id?: string }) => Effect.Effect<ModuleView, DockError>
  /** Loads a module that waits because it asks for more than was approved, or is another file. */
  readonly approveModule: (id: string, by: SystemId) => Effect.Effect<ModuleView, ModuleRejected>
  readonly systems: () => ReadonlyArray<SystemView>
  readonly views: Effect.Effect<ReadonlyArray<ChannelView>>
  readonly status: () => KernelStatus
  /** Journal entries behind a cursor, oldest first, at most `limit`. */
  readonly audit: (after: Cursor, limit: number) => Effect.Effect<ReadonlyArray<Event>>
  readonly verifyAudit: Effect.Effect<AuditReport>
  /** Checkpoints of the journal outside the store, and receipts. */
  readonly evidence: Evidence
  /**
   * Takes the wall clock's word after a jump that was held back (`status().clockJump`); what is due by then expires.
   * Answers the milliseconds of the jump, or nothing when there was none.
   */
  readonly confirmClock: Effect.Effect<number | undefined>
  /** Does exactly what is pending (requests, replies, expiries, one heartbeat) and returns. */
  readonly step: Effect.Effect<void>
  /** Completes when somebody asked the kernel to go down. */
  readonly awaitDown: Effect.Effect<void>
  /** Asks it to go down: drains, then stops. */
  readonly down: Effect.Effect<void>
}

export interface KernelOptions {
  readonly id: string
  readonly name: string
  readonly version: string
  /** The directory that the constellation works on; relative reading roots start there. */
  readonly directory: string
  readonly store: StoreService
  readonly clock: KernelClock
  readonly policy: Policy
  /** The same as data, so that it can be put in force again later; absent or null for rules that are code. */
  readonly policyDocument?: PolicyDocument | null
  /** Makes a policy of data. Absent: none can be put in force at run time. */
  readonly makePolicy?: (document: PolicyDocument) => Effect.Effect<Policy, ConfigInvalid>
  /** Executors of the host. */
  readonly executors: ReadonlyArray<Executor>
  /** Channels that the host provides, beside the kernel's. */
  readonly channels?: ReadonlyArray<ChannelSpec>
  /** What payloads are held against when their channel names it; default: JSON Schemas that channels carry, and nothing by name. */
  readonly schemas?: Schemas
  readonly source: ModuleSource
  /** How programs of framework `process` are started; absent: not at all. */
  readonly program?: ProgramSource
  readonly powers: Powers
  readonly approvalMillis?: number
  /** How many different approvers an action of a risk needs; absent: one. */
  readonly quorum?: Rules["quorum"] & {}
  /** From which risk up an approval from outside this process needs the terminal's code or the passphrase; default `high`. */
  readonly proofFrom?: ProofFrom
  readonly requestRetention?: number
  /** What the config says of budgets, by the glob of systems. */
  readonly budgets?: Readonly<Record<string, BudgetSpec>>
  /** Class of the journal and the request channels: `relaxed` only to measure. */
  readonly durability?: Durability
  /** Systems that may not start: a watchdog ended the last run because of them. */
  readonly quarantine?: ReadonlyArray<SystemId>
  readonly entered?: (system: string) => void
  readonly pid: number
}

/** What the kernel cannot do by itself: hashing and reading files. */
export interface Powers {
  readonly sha256: (text: string) => string
  readonly sha256Bytes: (bytes: Uint8Array) => Uint8Array
  /** Where checkpoints of the journal are kept outside the store, and how often one is written. Absent: nowhere. */
  readonly checkpoints?: { readonly place: CheckpointPlace; readonly pace: CheckpointPace }
  /** The private key that signs tokens, made and kept at the first call. Absent: one that dies with the kernel. */
  readonly tokenKey?: Effect.Effect<SigningKey, StoreUnavailable>
  /** Hashes and signatures of the edge. Absent: no token and no proof is good. */
  readonly act?: ActCrypto
  /** The private key that signs tokens for grants, by how many there were. Absent: one that dies with the kernel. */
  readonly capabilityKey?: (generation: number) => Effect.Effect<SigningKey, StoreUnavailable>
  readonly readingPower: (root: string) => Effect.Effect<ReadingPower, ReadFailure>
  /** Where a path really lies, for claims of files. Absent: where it says. */
  readonly realPath?: (path: string) => Effect.Effect<string>
  /** Values of the config's secrets, for executors and for striking them out. Absent: there are none. */
  readonly secrets?: Warrants.ExecutorSecrets
  /** Shows a line to whoever sits in front of the kernel, and to nobody else; absent: it has no terminal. */
  readonly terminal?: (line: string) => void
  /** Whether this is the passphrase that approvals may be proved with; absent: none is set. */
  readonly passphrase?: (given: string) => Effect.Effect<boolean>
}

/** A kernel, and what its host needs beside it. */
export interface Hosted extends Kernel {
  readonly loader: Loader
  readonly executors: () => ReadonlyArray<string>
  /** Starts services and docked systems. Before that, `step` does the work. */
  readonly launch: Effect.Effect<void, never, Scope.Scope>
  /** Lets in-flight work end or be handed back, up to a deadline, and writes a snapshot. */
  readonly drainAll: (timeoutMillis: number) => Effect.Effect<void>
}

/** The kernel's own channels. */
const ownChannels = (durability: Durability, retention: number): ReadonlyArray<ChannelSpec> => [
  { name: wellKnown.capabilityRegistry, durability: "relaxed", description: "Every grant and revocation." },
  { name: wellKnown.moduleRegistry, durability: "relaxed", description: "Every dock, undock and change of status." },
  { name: wellKnown.policyStore, durability: "relaxed", description: "Every policy version in force." },
  { name: wellKnown.capabilityRequest, form: "queue", attemptsMax: requestAttemptsMax, durability, retention: { count: retention }, description: "Ask for a capability." },
  { name: wellKnown.actionGate, form: "queue", indexes: ["parentId"], attemptsMax: requestAttemptsMax, durability, retention: { count: retention }, description: "Ask for a side effect." },
  { name: wellKnown.kernelReplies, delivery: "addressed", durability: "relaxed", retention: { count: retention }, description: "Answers, each to its requester." },
  { name: wellKnown.progress, delivery: "addressed", durability: "memory", retention: { count: progressRetention }, description: "How far calls have come, each told to its requester." },
  { name: wellKnown.moduleLoader, form: "queue", attemptsMax: requestAttemptsMax, durability, retention: { count: retention }, description: "Load a module at run time." },
  { name: wellKnown.lifecycle, form: "queue", attemptsMax: requestAttemptsMax, durability, retention: { count: retention }, description: "Revoke, pause, resume or drain a system." },
  { name: wellKnown.heartbeat, durability: "memory", retention: { count: 120 }, description: "Who is docked, every second." },
  { name: wellKnown.approvals, durability: "relaxed", indexes: ["subject"], description: "What waits for a human, and its answers." }
]

/** Where nothing can be checked nothing is right. */
const noCrypto: ActCrypto = { sha256: () => "", sha256Of: () => "", verify: () => false }

const keysInMemory = (): (generation: number) => Effect.Effect<SigningKey> => {
  const keys = new Map<number, Effect.Effect<SigningKey>>()
  return (generation) => {
    const key = keys.get(generation) ?? tokenKeyInMemory()
    keys.set(generation, key)
    return key
  }
}

/** How often a stopped store is tried again. */
const reopenMillis = 1_000

/** Composes a kernel over an open store. Nothing runs before `launch`. */
export const make = Effect.fnUntraced(function*(
  options: KernelOptions
): Effect.fn.Return<Hosted, ConfigInvalid | ChannelExists | EvidenceMismatch | StoreUnavailable | StoreCorrupt, Scope.Scope> {
  const { clock, powers, store } = options
  const durability = options.durability ?? "strict"
  let journal: Journal | undefined
  const channels = yield* Channels.make({
    store,
    clock,
    schemas: options.schemas ?? (yield* Effect.orDie(makeSchemas())),
    boot: () => journal?.state().boot ?? 0,
    labels: {
      isIdle: () => journal === undefined || knowsNoArtifacts(journal.state()),
      ofArtifact: (digest) => (journal === undefined ? [] : labelsOfArtifact(journal.state(), digest)),
      removedFrom: (event) => (journal === undefined ? [] : removedFrom(journal.state(), event)),
      record: (artifacts, labels) =>
        Effect.suspend(() => (journal === undefined ? Effect.void : Effect.asVoid(journal.submit((_, now) => ({
          entries: [{ kind: "artifacts.labelled", at: now, artifacts, labels }], answer: undefined
        })))))
    },
    // The body of an action stays where it was asked for as long as its warrant is open.
    neededBeyond: (channel) => (channel === wellKnown.actionGate && journal !== undefined ? oldestOpenRequest(journal.state()) - 1 : undefined)
  })
  let isToldStopped = false
  const mend = Effect.suspend(() => {
    const stopped = store.stopped()
    if (stopped === undefined) return Effect.void
    return store.reopen.pipe(
      Effect.andThen(Effect.suspend(() => {
        isToldStopped = false
        return Effect.logWarning("the store was reopened and takes writes again")
      })),
      Effect.catch(() => {
        // Once, and not with each attempt.
        if (isToldStopped) return Effect.void
        isToldStopped = true
        return Effect.logError(`the store takes no writes: ${stopped}; it is tried again every second, and nothing is granted or acknowledged meanwhile`)
      })
    )
  })

  // Its first entry waits for a disk that is full, and nobody else opens the store anew by then.
  const mender = yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.sleep(reopenMillis), mend)))
  journal = yield* Journal_.make({
    channels, canonical, sha256: powers.sha256, sha256Bytes: powers.sha256Bytes, kernel: options.id, version: options.version, durability,
    ...(powers.checkpoints === undefined ? {} : { evidence: powers.checkpoints })
  }).pipe(Effect.ensuring(Fiber.interrupt(mender)))
  const kept = journal
  for (const spec of ownChannels(durability, options.requestRetention ?? requestRetention)) {
    yield* Effect.catchTag(channels.open(channelOf(spec, kernelSystem)), "InvalidPayload", Effect.die)
  }
  for (const spec of options.channels ?? []) {
    yield* Effect.catchTag(channels.open(channelOf(spec, options.id)), "InvalidPayload", ({ path, reason }) =>
      new ConfigInvalid({ issues: [{ file: "", path: `channels: ${path}`, reason }] }))
  }
  const resources = yield* Resources_.make(channels)

  const digestOf = (value: unknown): string => powers.sha256(canonical(value))
  const registry = makeRegistry()
  const act = powers.act ?? noCrypto
  const configured: MadePolicy = { policy: options.policy, document: options.policyDocument ?? null }
  const shelf = makeShelf(configured)
  const circuits = makeCircuits()
  const rules: Rules = {
    policy: options.policy,
    policyOf: shelf.policyOf,
    digestOf,
    executor: registry.get,
    leftAlone: circuits.leftAlone,
    readToken: makeChainReader(act),
    ...(options.approvalMillis === undefined ? {} : { approvalMillis: options.approvalMillis }),
    ...(options.quorum === undefined ? {} : { quorum: options.quorum })
  }
  const entered = options.entered ?? (() => {})
  const scopes = Scopes.make({ channels, directory: options.directory, realPath: powers.realPath, now: clock.now })
  const warrants = yield* Warrants.make({ scopes, journal, channels, executor: registry.get, digestOf, entered, circuits, now: clock.now, ...(powers.secrets === undefined ? {} : { secrets: powers.secrets }) })
  const projections = yield* Projections.make({ journal, channels, payloadOf: warrants.payloadOf })
  const pending = makePendingRequests()
  const clash = registry.register(kernelSystem, [Declassify.executor(kept, store)]) ?? registry.register(kernelSystem, options.executors)
  if (clash !== undefined) {
    return yield* new ConfigInvalid({ issues: [{ file: "", path: "executors", reason: `there are two executors named ${clash}; choose another name.` }] })
  }
  yield* warrants.recover()

  const policies = yield* Policies_.make({
    journal, store, config: configured, rules: () => rules, canonical, thawed: warrants.recover(),
    ...(options.makePolicy === undefined ? {} : { make: options.makePolicy })
  }, shelf, clock.now)
  yield* journal.submit(decideConfigured(new Map(Object.entries(options.budgets ?? {}).map(([system, { per, ...limits }]) =>
    [system, { limits, perMillis: per === undefined ? null : (millisOf(per) ?? null) }] as const)), options.id))
  for (const system of options.quarantine ?? []) {
    yield* journal.submit(decideStatus(system, "quarantined", "it did not yield, and the watchdog ended the kernel"))
  }

  const constellation = composite(yield* Constellation_.make({
    host: options.id,
    channels,
    journal,
    rules,
    pending,
    canonical,
    sha256: powers.sha256,
    readingPower: powers.readingPower,
    register: Effect.fnUntraced(function*(owner, executors) {
      const clash = registry.register(owner, executors)
      if (clash === undefined) for (const executor of executors) yield* warrants.recover(executor.name)
      return clash
    }),
    unregister: registry.unregister,
    provided: (channel) => (channel === underWay ? scopes.introduce : Effect.void),
    entered
  }))
  const tokens = makeTokens({
    kernel: options.id, journal: kept, clock, key: powers.tokenKey ?? tokenKeyInMemory(),
    isDocked: (name) => {
      const docked = constellation.get(name)
      // One that is docked from elsewhere came with a token of its name, and may need another.
      return docked !== undefined && docked.request.guest !== true && docked.request.unreachable === undefined
    }
  })
  const edge = makeEdge({
    kernel: options.id, journal: kept, clock, crypto: act, key: powers.capabilityKey ?? keysInMemory(),
    isDocked: (name) => {
      const docked = constellation.get(name)
      return docked !== undefined && docked.request.guest !== true && docked.request.unreachable === undefined
    }
  })
  const loader = Loader_.make({ constellation, journal, rules, source: options.source, program: options.program })
  const replace = Replace.make({ constellation, loader, source: options.source })
  const room: ServiceRoom = { channels, journal, projections, pending }
  const compensation = Compensation_.make(kept)
  const services = [
    CapabilityService.service(room, rules),
    ActionService.service(room, rules, canonical, compensation),
    ModuleService.service(room, loader),
    LifecycleService.service(room, constellation)
  ]
  const heartbeat = Heartbeat.make({ kernel: options.id, channels, journal, constellation, upkeep: projections.save })
  const goingDown = Deferred.makeUnsafe<void>()
  const startedAt = clock.now()

  /** Whatever stops the store meanwhile, what waits for it goes on. */
  const mending = <A>(work: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.andThen(mend, Effect.raceFirst(work, Effect.forever(Effect.andThen(Effect.sleep(reopenMillis), mend))))

  const proofFrom = options.proofFrom ?? "high"
  const proof = makeProof({ from: proofFrom, sha256: powers.sha256, now: clock.now, terminal: powers.terminal, passphrase: powers.passphrase })
  const gate = Gate_.make({
    journal: kept,
    compensation,
    store,
    warrants,
    rules,
    proof,
    now: clock.now,
    canonical,
    artifact: (digest) =>
      store.getArtifact(digest).pipe(
        Effect.map((bytes): unknown => JSON.parse(new TextDecoder().decode(bytes))),
        Effect.orElseSucceed(() => null)
      )
  })

  const evidence = Evidence_.make({ kernel: options.id, journal: kept, store, canonical, sha256: powers.sha256, sha256Bytes: powers.sha256Bytes })

  const arriving = Semaphore.makeUnsafe(1)
  const isEnrolled = (id: SystemId): boolean => constellation.get(id)?.request.enrolled === true
  const guest = (id: SystemId): Docked | undefined => {
    const docked = constellation.get(id)
    return docked?.request.guest === true ? { id, port: docked.control.port } : undefined
  }

  const kernel: Hosted = {
    id: options.id,
    name: options.name,
    channels,
    resources,
    loader,
    executors: registry.names,
    dock: (system, dockOptions = {}) =>
      Effect.map(
        constellation.dock(system, {
          channels: dockOptions.channels ?? [],
          privileged: dockOptions.privileged ?? false,
          ...(dockOptions.bearer === true ? { bearer: true } : {}),
          configured: dockOptions.configured ?? true,
          ...(dockOptions.unreachable === undefined ? {} : { unreachable: dockOptions.unreachable })
        }),
        (docked) => ({ id: docked.id, port: docked.control.port })
      ),
    dockGuest: (id, description = "", { enrolled = false } = {}) =>
      Effect.suspend(() => {
        const here = guest(id)
        if (here !== undefined && (!enrolled || isEnrolled(id))) return Effect.succeed(here)
        // One at a time: two who come at once under one name are the same guest.
        return arriving.withPermit(Effect.suspend((): Effect.Effect<Docked, DockError> => {
          const arrived = guest(id)
          if (arrived !== undefined && (!enrolled || isEnrolled(id))) return Effect.succeed(arrived)
          // Who came with a token before comes with a key now, and is wired to more.
          const leaving = arrived === undefined ? Effect.void : constellation.undock(id, "it came with a key")
          return Effect.andThen(leaving, Effect.map(
            constellation.dock(
              // Without a life of its own: it acts when somebody calls.
              { manifest: { ...emptyManifest(id, "door"), description }, run: () => Effect.never },
              { channels: [], privileged: false, configured: true, guest: true, ...(enrolled ? { enrolled } : {}) }
            ),
            ({ control }) => ({ id, port: control.port })
          ))
        }))
      }),
    dockSeat: (id) =>
      Effect.suspend(() => {
        const here = guest(id)
        // It stays when the connection goes: others of its credential act under the name.
        if (here !== undefined) return Effect.succeed({ ...here, leave: Effect.void })
        const isDoors = id.startsWith(doorPrefix)
        return Effect.map(
          constellation.dock(
            { manifest: { ...emptyManifest(id, "door"), description: "A seat of the synapse wire." } },
            { channels: [], privileged: false, configured: true, seat: true, ...(isDoors ? {} : { guest: true }) }
          ),
          ({ control }) => ({ id, port: control.port, leave: constellation.undock(id, "its connection was closed") })
        )
      }),
    isTaken: (name) =>
      name === options.id || constellation.get(name) !== undefined || edge.has(name) || loader.views().some(({ id }) => id === name) ||
      tokens.list().some((token) => token.name === name),
    guest,
    securityOf: constellation.securityOf,
    converterOf: (channel) => {
      const { converters } = constellation.get(channels.get(channel)?.owner ?? "")?.system ?? {}
      return converters !== undefined && Object.hasOwn(converters, channel) ? converters[channel] : undefined
    },
    securities: constellation.securities,
    tokens,
    edge,
    undock: (id) => constellation.undock(id, "undocked"),
    pause: constellation.pause,
    resume: constellation.resume,
    drain: (id, timeoutMillis = drainSecondsDefault * 1000) => constellation.drain(id, timeoutMillis),
    revoke: constellation.revoke,
    gate,
    policies,
    budgets: Budgets_.make(kept, clock.now),
    catalog: makeCatalog(registry, circuits, clock.now, powers.secrets?.list ?? (() => [])),
    grants: Grants_.make(kept),
    modules: loader.views,
    loadModule: Effect.fnUntraced(function*({ file, ...given }) {
      if (file === undefined) return yield* new ModuleRejected({ module: given.id ?? "", reason: "a file is needed" })
      return yield* replace(file, given)
    }),
    approveModule: (id, by) =>
      Effect.flatMap(loader.approve(id, by), ({ docked }) =>
        Effect.sync(() => loader.views().find((view) => view.id === docked.id)!)), // it was docked just now
    systems: () => constellation.all().map(constellation.view),
    views: Effect.suspend(() =>
      Effect.forEach(channels.all(), (channel) => {
        // A channel that is open is in the store.
        const statistics = store.statisticsOf(channel.name) ?? { head: 0, floor: 0, events: 0 }
        return Effect.map(Effect.option(channels.backlog(channel.name)), (backlog) => ({
          ...channel, ...statistics, backlog: backlog._tag === "Some" ? backlog.value : null
        }))
      })),
    status: () => ({
      id: options.id,
      name: options.name,
      version: options.version,
      pid: options.pid,
      boot: kept.state().boot,
      startedAt,
      now: clock.now(),
      directory: options.directory,
      policy: (shelf.policyOf(kept.state().policy) ?? lostPolicy).description,
      policyNotes: policies.notes(),
      frozen: policies.frozen(),
      store: { ...store.statistics(), stopped: store.stopped() ?? null },
      systems: constellation.all().length,
      grants: Gate_.grantCount(kept),
      ...Gate_.counts(kept, rules),
      proof: { from: proofFrom, terminal: proof.hasTerminal, passphrase: proof.hasPassphrase },
      journalHead: kept.state().cursor,
      clockJump: clock.jump() ?? null
    }),
    audit: (after, limit) => Effect.orDie(kept.read(after, limit)),
    verifyAudit: evidence.verify,
    evidence,
    confirmClock: heartbeat.confirm,
    step: mending(Effect.gen(function*() {
      for (const service of services) yield* service.step
      yield* warrants.settled
      yield* projections.caughtUp
      yield* heartbeat.step
      yield* projections.caughtUp
    })),
    launch: Effect.gen(function*() {
      for (const service of services) yield* Effect.forkScoped(service.run, { startImmediately: true })
      yield* Effect.forkScoped(heartbeat.run, { startImmediately: true })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(reopenMillis), mend)))
      // What a start did not read because it is long.
      yield* Effect.forkScoped(Effect.tap(kept.checkUnread, (wrong) =>
        wrong === undefined ? Effect.void : Effect.logError(`the journal is damaged: ${wrong}; see aaax audit verify`)))
      yield* constellation.start
      for (const { configured, digest, file, id } of Loader_.toReturn(kept, (system) => constellation.get(system) !== undefined)) {
        yield* loader.loadFile(file, { id }, configured, digest).pipe(
          Effect.catch((error) => Effect.logWarning(`module ${id} did not return: ${error.message}`))
        )
      }
    }),
    drainAll: Effect.fnUntraced(function*(timeoutMillis) {
      yield* constellation.stop(timeoutMillis)
      yield* warrants.settled.pipe(Effect.timeoutOption(timeoutMillis))
      yield* projections.caughtUp.pipe(Effect.timeoutOption(timeoutMillis))
      yield* kept.snapshot.pipe(Effect.timeoutOption(timeoutMillis))
      if (kept.keeper !== undefined) yield* Effect.ignore(kept.keeper.write)
    }),
    awaitDown: Deferred.await(goingDown),
    down: Effect.sync(() => void Deferred.doneUnsafe(goingDown, Effect.void))
  }
  return kernel
})
