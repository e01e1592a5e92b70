// The constellation: the table of docked systems, what they provide, and their lives. Docking is all or nothing; what an
// operator decided of a system (paused, quarantined, revoked) is in the journal and holds across restarts.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { channelOf, type ChannelSpec } from "../../protocol/channel.ts"
import { doorPrefix } from "../../protocol/coordination.ts"
import { DockRefused, SystemExists, SystemNotFound, type ChannelExists, type StoreUnavailable } from "../../protocol/errors.ts"
import type { Executor } from "../../protocol/executor.ts"
import type { SystemStatus } from "../../protocol/lifecycle.ts"
import type { Manifest, System } from "../../protocol/manifest.ts"
import { nameLengthMax, nearest, operatorSystem, type ChannelId, type SystemId } from "../../protocol/names.ts"
import type { ReadingPower, ReadFailure } from "../../protocol/power.ts"
import type { ChannelSecurity } from "../../protocol/security.ts"
import type { SystemView } from "../../protocol/view.ts"
import { deadLettersOf } from "../../protocol/well-known.ts"
import { submitAsking } from "../authority/decide/ask.ts"
import type { Rules } from "../authority/decide/decision.ts"
import { decideDock, decideStatus, decideUndock, type DockedModule, type Docking } from "../authority/decide/system.ts"
import type { Journal } from "../authority/journal.ts"
import { grantsOf } from "../authority/state/grants.ts"
import { lookup } from "../authority/state/state.ts"
import type { ChannelsService } from "../channel/channels.ts"
import type { PendingRequests } from "../guard/admission.ts"
import { closedSecurity } from "../guard/channel-security.ts"
import { isGuestName } from "../guard/tokens.ts"
import { publicWiring, seatWiring, wiringOf, type Direction, type Wiring } from "../guard/wiring.ts"
import { contained } from "../executor/executor.ts"
import { systemsMax } from "../limits.ts"
import { keptSystem } from "./manifest.ts"
import { makePort, type PortControl } from "./port.ts"
import { supervise } from "./supervise.ts"

export interface DockRequest {
  readonly channels: ReadonlyArray<ChannelId>
  readonly privileged: boolean
  /** It runs elsewhere, and came with a bearer token. */
  readonly bearer?: boolean
  readonly configured: boolean
  /** Somebody outside: wired to every PUBLIC channel, as far as its credential goes. */
  readonly guest?: boolean
  /** A guest with a key of its own: wired to the kernel's request channels, too, and to its own replies. */
  readonly enrolled?: boolean
  /**
   * A connection of a coordination door. It acts when somebody asks, and of its coming and going nothing is journalled: somebody
   * who connects again and again writes nothing.
   */
  readonly seat?: boolean
  /** Channels that systems bring along which are docked behind it: it may be wired to them before they are there. */
  readonly coming?: ReadonlySet<ChannelId>
  /** For code that runs elsewhere: why it cannot be reached now, or nothing. */
  readonly unreachable?: () => string | undefined
  /** Set when it was loaded as a module. */
  readonly module?: DockedModule
}

export interface Docked {
  readonly id: SystemId
  readonly system: System
  readonly wiring: Wiring
  readonly control: PortControl
  readonly request: DockRequest
  readonly dockedAt: number
  status: SystemStatus
  restarts: number
  lastError: string | null
  fiber: Fiber.Fiber<void> | undefined
}

export type DockFailure = SystemExists | ChannelExists | DockRefused | StoreUnavailable

export interface ConstellationOptions {
  /** Owner of the channels that the config brings. */
  readonly host: string
  readonly channels: ChannelsService
  readonly journal: Journal
  readonly rules: Rules
  readonly pending: PendingRequests
  readonly sha256: (text: string) => string
  readonly canonical: (value: unknown) => string
  readonly readingPower: (root: string) => Effect.Effect<ReadingPower, ReadFailure>
  /** Registers what a system serves; answers the name that is taken already. */
  readonly register: (owner: SystemId, executors: ReadonlyArray<Executor>) => Effect.Effect<string | undefined>
  readonly unregister: (owner: SystemId) => void
  /** A provider of this channel has come, and has not begun. */
  readonly provided: (channel: ChannelId) => Effect.Effect<void>
  readonly entered: (system: SystemId) => void
}

export interface Constellation {
  readonly dock: (system: System, request: DockRequest) => Effect.Effect<Docked, DockFailure>
  readonly undock: (id: SystemId, reason: string) => Effect.Effect<void>
  readonly get: (id: SystemId) => Docked | undefined
  readonly all: () => ReadonlyArray<Docked>
  readonly ids: () => ReadonlyArray<SystemId>
  /** The security of a channel whose provider gave it one. */
  readonly securityOf: (channel: ChannelId) => ChannelSecurity | undefined
  /** All of these. */
  readonly securities: () => ReadonlyArray<ChannelSecurity>
  /** From now on docked systems run; those that wait are started. */
  readonly start: Effect.Effect<void>
  readonly pause: (id: SystemId) => Effect.Effect<void, SystemNotFound>
  readonly resume: (id: SystemId) => Effect.Effect<void, SystemNotFound>
  readonly drain: (id: SystemId, timeoutMillis: number) => Effect.Effect<void, SystemNotFound>
  readonly revoke: (id: SystemId) => Effect.Effect<void, SystemNotFound>
  readonly quarantine: (id: SystemId, reason: string) => Effect.Effect<void, SystemNotFound>
  /** Stops everything without writing it down: the kernel goes down. */
  readonly stop: (timeoutMillis: number) => Effect.Effect<void>
  readonly view: (docked: Docked) => SystemView
}

const nameOf = (system: System): string => {
  try {
    return String(system.manifest.id).slice(0, nameLengthMax)
  } catch {
    return ""
  }
}

/** Says in the metadata of a channel that its provider gave it a security, which is code and not kept. */
const guardedKey = "aaax.guarded"
const guarded = (spec: ChannelSpec): ChannelSpec => ({ ...spec, metadata: { ...spec.metadata, [guardedKey]: true } })

/** Names that a view shows for each direction: a guest may be wired to every channel there is. */
const wiredShownMax = 1_000

const wiredNames = (wiring: Wiring): ((direction: Direction) => ReadonlyArray<ChannelId>) => {
  const wires = [...wiring]
  return (direction) => wires.filter(([, wire]) => wire[direction]).slice(0, wiredShownMax).map(([name]) => name)
}

type Stopping = Pick<Docked, "id"> & { readonly system: { readonly manifest: Pick<Manifest, "provides"> }; readonly wiring: Pick<Wiring, "get"> }

/**
 * Whose queue others write to is stopped behind them: what they ask for while they end is answered. Those that ask each other
 * end together.
 */
export const inTurns = <T extends Stopping>(systems: ReadonlyArray<T>): ReadonlyArray<ReadonlyArray<T>> => {
  const left = new Set(systems)
  const turns: Array<ReadonlyArray<T>> = []
  const isAsked = ({ id, system }: T): boolean =>
    system.manifest.provides.some(({ form, name }) => form === "queue" && [...left].some((other) => other.id !== id && other.wiring.get(name)?.append === true))
  while (left.size > 0) {
    const free = [...left].filter((docked) => !isAsked(docked))
    const turn = free.length === 0 ? [...left] : free
    turns.push(turn)
    for (const docked of turn) left.delete(docked)
  }
  return turns
}

/** Systems in these states are not started. */
const resting: ReadonlySet<SystemStatus> = new Set(["paused", "quarantined", "revoked"])

export const make = Effect.fnUntraced(function*(options: ConstellationOptions): Effect.fn.Return<Constellation, never, Scope.Scope> {
  const { channels, journal, rules } = options
  const scope = yield* Effect.scope
  const table = new Map<SystemId, Docked>()
  const docking = new Set<SystemId>()
  const securities = new Map<ChannelId, ChannelSecurity>()
  const guests = publicWiring(channels)
  const holders = publicWiring(channels, true)
  let started = false

  const found = (id: SystemId): Effect.Effect<Docked, SystemNotFound> => {
    const docked = table.get(id)
    if (docked !== undefined) return Effect.succeed(docked)
    const near = nearest(id, table.keys())
    return Effect.fail(new SystemNotFound({ system: id, ...(near === undefined ? {} : { nearest: near }) }))
  }

  const change = Effect.fnUntraced(function*(docked: Docked, status: SystemStatus, reason: string) {
    docked.status = status
    // Of a seat nothing is known yet: what an operator says of it is kept all the same.
    if (docked.request.seat === true && lookup(journal.state().systems, docked.id) === undefined) {
      yield* submitAsking(journal, decideDock(rules, dockingOf(docked.system.manifest, docked.request, false, [])))
    }
    yield* journal.submit(decideStatus(docked.id, status, reason))
  })

  const begin = Effect.fnUntraced(function*(docked: Docked) {
    const { control, id, system } = docked
    const run = system.run
    if (docked.request.seat === true) {
      docked.status = "running"
      return
    }
    if (run === undefined) {
      // A placeholder docks and stops.
      docked.status = "stopped"
      return
    }
    docked.status = "running"
    docked.fiber = yield* supervise({
      run: () => {
        options.entered(id)
        return run(control.port)
      },
      monotonic: channels.clock.monotonic,
      onStart: () => Effect.sync(() => {
        if (docked.status === "failed") docked.status = "running"
      }),
      onFailure: Effect.fnUntraced(function*(reason, delayMillis) {
        docked.restarts++
        docked.lastError = reason
        // A paused system that fails is started again, and stays paused at its first call.
        if (docked.status === "running") docked.status = "failed"
        yield* channels.release(id)
        yield* Effect.logWarning(`${id} failed and starts again in ${delayMillis} ms: ${reason}`)
      }),
      onQuarantine: Effect.fnUntraced(function*(reason) {
        docked.lastError = reason
        control.close("it is quarantined")
        yield* channels.release(id)
        yield* Effect.logError(`${id} fails too often and is quarantined: ${reason}. Start it again with: aaax resume ${id}`)
        yield* change(docked, "quarantined", reason)
      }),
      onEnd: () => Effect.sync(() => {
        if (docked.status === "running") docked.status = "stopped"
      })
    }).pipe(Effect.annotateLogs({ system: id }), Effect.forkIn(scope, { startImmediately: true }))
  })

  const halt = Effect.fnUntraced(function*(docked: Docked) {
    const { fiber } = docked
    docked.fiber = undefined
    // A system that ignores its interruption must not hold up the one who stops it.
    if (fiber !== undefined) yield* Fiber.interrupt(fiber).pipe(Effect.timeoutOption(2_000))
    yield* channels.release(docked.id)
  })

  const securityOf = (channel: ChannelId): ChannelSecurity | undefined => (securities.size === 0 ? undefined : securities.get(channel))

  const guard = (channel: ChannelId, security: ChannelSecurity | undefined): void => {
    if (security === undefined) securities.delete(channel)
    else securities.set(channel, security)
  }
  // What was guarded in an earlier run is nobody's until its provider is here again.
  for (const { metadata, name } of channels.all()) {
    if (metadata[guardedKey] !== true) continue
    for (const channel of [name, deadLettersOf(name)]) guard(channel, closedSecurity)
  }

  const manifestDigest = (manifest: Manifest): string => options.sha256(options.canonical(manifest))

  const dockingOf = (manifest: Manifest, request: DockRequest, privileged: boolean, powers: ReadonlyArray<ReadingPower>): Docking => ({
    system: manifest.id,
    manifest: manifestDigest(manifest),
    framework: manifest.framework,
    privileged,
    ...(request.bearer === true ? { bearer: true as const } : {}),
    configured: request.configured,
    reads: manifest.reads,
    writes: manifest.writes,
    takes: manifest.takes,
    provides: manifest.provides.map((spec) => spec.name),
    executors: manifest.executors,
    remoteChannels: manifest.remoteChannels,
    powers: powers.map((power) => power.root),
    module: request.module
  })

  const place = Effect.fnUntraced(function*(system: System, request: DockRequest): Effect.fn.Return<Docked, DockFailure> {
    const { manifest } = system
    const refuse = (reason: string) => new DockRefused({ system: manifest.id, reason })
    const privileged = request.privileged || (manifest.privileged && request.configured)
    const wiring = request.guest === true ? request.enrolled === true ? holders : guests : request.seat === true ? seatWiring : wiringOf(
      manifest, request.channels, privileged, (name) => channels.get(name) !== undefined || request.coming?.has(name) === true
    )
    if (typeof wiring === "string") return yield* refuse(wiring)
    for (const spec of manifest.provides) {
      const owner = channels.get(spec.name)?.owner
      if (owner !== undefined && owner !== manifest.id) {
        // Once its provider is undocked, whoever brings it owns it; its events stay. A host's channel is never taken over.
        if (table.has(owner) || docking.has(owner) || owner === options.host) return yield* refuse(`Channel '${spec.name}' already registered by another system.`)
      }
    }
    const powers: Array<ReadingPower> = []
    for (const { root } of manifest.powers) {
      powers.push(yield* options.readingPower(root).pipe(
        Effect.mapError((failure) => refuse(`no reading power for ${failure.path}: ${failure.reason}`))
      ))
    }
    const clash = yield* options.register(manifest.id, system.executors ?? [])
    if (clash !== undefined) return yield* refuse(`Executor '${clash}' is already served.`)
    for (const spec of manifest.provides) {
      const schema = Object.hasOwn(system.schemas ?? {}, spec.name) ? system.schemas?.[spec.name] : undefined
      const security = Object.hasOwn(system.securities ?? {}, spec.name) ? system.securities?.[spec.name] : undefined
      const before = securities.get(spec.name)
      // Guarded before it can be reached.
      if (security !== undefined) securities.set(spec.name, security)
      yield* channels.open(channelOf(security === undefined ? spec : guarded(spec), manifest.id), schema, { adopt: true }).pipe(
        Effect.catchTag("InvalidPayload", ({ message }) => refuse(message)),
        Effect.onError(() => Effect.sync(() => guard(spec.name, before)))
      )
      guard(spec.name, security)
      const letters = deadLettersOf(spec.name)
      // The dead letters of a queue are its items.
      if (channels.get(letters)?.owner === manifest.id && !manifest.provides.some(({ name }) => name === letters)) guard(letters, security)
    }
    const control = makePort({
      system: manifest.id,
      wiring,
      snapshots: request.guest === true ? "any" : manifest.snapshots,
      // What a guest may do is checked with its credential, which says more than its name.
      securityOf: request.guest === true ? () => undefined : securityOf,
      powers,
      channels,
      pending: options.pending,
      entered: options.entered
    })
    const { answer } = request.seat === true
      ? { answer: { status: seatStatus(manifest.id) } }
      : yield* submitAsking(journal, decideDock(rules, dockingOf(manifest, request, privileged, powers)))
    const docked: Docked = {
      id: manifest.id, system, wiring, control, request, dockedAt: channels.clock.now(), status: answer.status, restarts: 0, lastError: null,
      fiber: undefined
    }
    if (answer.status === "paused") control.pause()
    if (answer.status === "revoked") control.close("it was revoked")
    if (answer.status === "quarantined") control.close("it is quarantined")
    table.set(manifest.id, docked)
    for (const { name } of manifest.provides) yield* options.provided(name)
    if (started && !resting.has(docked.status)) yield* begin(docked)
    return docked
  })

  /** What an operator said of a seat holds for whoever comes under its name. */
  const seatStatus = (id: SystemId): SystemStatus => {
    const status = lookup(journal.state().systems, id)?.status
    return status !== undefined && resting.has(status) ? status : "running"
  }

  const pauseOne = Effect.fnUntraced(function*(id: SystemId) {
    const docked = yield* found(id)
    if (docked.status === "quarantined" || docked.status === "revoked") return
    docked.control.pause()
    yield* change(docked, "paused", "paused by an operator")
  })

  const resumeOne = Effect.fnUntraced(function*(id: SystemId) {
    const docked = yield* found(id)
    if (docked.status === "revoked") return
    if (docked.status === "quarantined") docked.control.reopen()
    yield* change(docked, "running", "resumed by an operator")
    docked.control.resume()
    // Looked at last: whoever resumed it in the meantime has started it already.
    const runs = docked.fiber !== undefined && docked.fiber.pollUnsafe() === undefined
    if (!runs && started) {
      docked.restarts = 0
      yield* begin(docked)
    }
  })

  const drainOne = Effect.fnUntraced(function*(id: SystemId, timeoutMillis: number) {
    const docked = yield* found(id)
    // There is nothing left to end, and neither word may be washed away by another one.
    if (docked.status === "revoked" || docked.status === "quarantined") return
    yield* change(docked, "draining", "")
    docked.control.refuseWork()
    const { drain } = docked.system
    if (drain !== undefined) {
      yield* contained(() => drain(docked.control.port)).pipe(
        Effect.timeoutOption(timeoutMillis),
        Effect.catchCause((cause) => Effect.logWarning(`${id} failed to drain: ${cause.reasons.length} reasons`))
      )
    }
    yield* halt(docked)
    if (isDraining(docked)) yield* change(docked, "drained", "")
  })

  /** Somebody may have revoked or resumed it while it drained. */
  const isDraining = (docked: Docked): boolean => docked.status === "draining"

  const revokeOne = Effect.fnUntraced(function*(id: SystemId) {
    const docked = yield* found(id)
    docked.control.close("it was revoked")
    yield* change(docked, "revoked", "revoked by an operator")
    yield* halt(docked)
  })

  const undock: Constellation["undock"] = (id, reason) =>
    Effect.suspend(() => {
      const docked = table.get(id)
      if (docked === undefined) return Effect.void
      table.delete(id)
      // Until it is gone nobody is docked under its name: what ends now would end for the new one.
      docking.add(id)
      docked.control.close(reason)
      options.unregister(id)
      return halt(docked).pipe(
        Effect.andThen(docked.request.seat === true ? Effect.void : Effect.asVoid(journal.submit(decideUndock(id, docked.request.module?.id, reason)))),
        Effect.ensuring(Effect.sync(() => docking.delete(id)))
      )
    })

  const dock: Constellation["dock"] = (given, request) =>
    Effect.suspend((): Effect.Effect<Docked, DockFailure> => {
      const system = keptSystem(given, options.host)
      if (typeof system === "string") return Effect.fail(new DockRefused({ system: nameOf(given), reason: system }))
      const { id } = system.manifest
      // The operator comes by a door, as a guest.
      if (id === operatorSystem && request.guest !== true) return Effect.fail(new DockRefused({ system: id, reason: `System id '${id}' is the operator's own; give it another.` }))
      if (id.startsWith(doorPrefix) && request.seat !== true) return Effect.fail(new DockRefused({ system: id, reason: `Names below ${doorPrefix} are those of seats that come over a door.` }))
      // A system takes its name back from a guest that used it.
      const isGuests = table.get(id)?.request.guest === true && request.guest !== true && isGuestName(id, options.host)
      if (isGuests) return Effect.andThen(undock(id, "a system of the constellation has this name now"), dock(system, request))
      if (table.has(id) || docking.has(id)) return Effect.fail(new SystemExists({ system: id }))
      if (table.size >= systemsMax) return Effect.fail(new DockRefused({ system: id, reason: `At most ${systemsMax} systems can be docked.` }))
      docking.add(id)
      return place(system, request).pipe(
        Effect.onError(() => Effect.sync(() => options.unregister(id))),
        Effect.ensuring(Effect.sync(() => docking.delete(id)))
      )
    })

  return {
    dock,
    undock,
    get: (id) => table.get(id),
    all: () => [...table.values()],
    ids: () => [...table.keys()].sort(),
    securityOf,
    securities: () => [...new Set(securities.values())],
    start: Effect.suspend(() => {
      started = true
      const waiting = [...table.values()].filter((docked) => docked.fiber === undefined && !resting.has(docked.status))
      return Effect.forEach(waiting, begin, { discard: true })
    }),
    pause: pauseOne,
    resume: resumeOne,
    drain: drainOne,
    revoke: revokeOne,
    quarantine: Effect.fnUntraced(function*(id, reason) {
      const docked = yield* found(id)
      if (docked.status === "revoked") return
      docked.lastError = reason
      docked.control.close("it is quarantined")
      yield* halt(docked)
      yield* change(docked, "quarantined", reason)
    }),
    stop: Effect.fnUntraced(function*(timeoutMillis) {
      const { monotonic } = channels.clock
      const end = monotonic() + timeoutMillis
      for (const turn of inTurns([...table.values()])) {
        // Whoever is left has some of the time, however long the others took.
        const millis = Math.max(end - monotonic(), timeoutMillis / 4)
        yield* Effect.forEach(turn, Effect.fnUntraced(function*(docked) {
          docked.control.refuseWork()
          const { drain } = docked.system
          if (drain !== undefined && docked.fiber !== undefined) {
            yield* contained(() => drain(docked.control.port)).pipe(Effect.timeoutOption(millis), Effect.ignoreCause)
          }
          yield* halt(docked)
          docked.control.close("the kernel is going down")
        }), { concurrency: "unbounded", discard: true })
      }
    }),
    view: (docked) => {
      const { manifest } = docked.system
      const record = lookup(journal.state().systems, docked.id)
      const wired = wiredNames(docked.wiring)
      const unreachable = docked.status === "running" || docked.status === "stopped" ? docked.request.unreachable?.() : undefined
      return {
        id: docked.id,
        status: unreachable === undefined ? docked.status : "failed",
        module: docked.request.module?.id ?? null,
        framework: manifest.framework,
        tier: docked.request.module?.isolation?.tier ?? "in-process",
        description: manifest.description,
        privileged: record?.privileged ?? false,
        reads: wired("read"),
        writes: wired("append"),
        takes: wired("take"),
        provides: manifest.provides.map((spec) => spec.name),
        executors: manifest.executors,
        powers: docked.control.port.powers.map((power) => `read ${power.root}`),
        grants: grantsOf(journal.state(), docked.id).length,
        restarts: docked.restarts,
        // Why it was quarantined outlives the run that did it.
        lastError: unreachable ?? docked.lastError ?? (docked.status === "quarantined" ? record?.reason ?? null : null),
        dockedAt: docked.dockedAt
      }
    }
  }
})
