// Systems as classes, for those who know them from the Python generations: a subclass with channels, subsystems and a step that
// is repeated, docked as it is.
import * as Effect from "effect/Effect"
import { seatReads, seatWrites } from "../protocol/coordination.ts"
import type { Executor } from "../protocol/executor.ts"
import type { Converter, Manifest, System } from "../protocol/manifest.ts"
import type { ChannelInfo, MessageContent } from "../protocol/message.ts"
import type { ChannelId, SystemId } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import type { ChannelSecurity } from "../protocol/security.ts"
import type { StandardSchemaV1 } from "../protocol/standard-schema.ts"
import { BaseChannel, table } from "./kind/base-channel.ts"
import { ChannelClient, seating } from "./kind/channel-client.ts"
import { makeDirectory, type Directory } from "./kind/directory.ts"
import { DiscoveryChannel } from "./kind/discovery.ts"
import { registrationTtlDefault } from "./kind/options.ts"
import { makePresence, type Presence } from "./kind/presence.ts"
import type { ServiceDescriptor } from "./kind/registration.ts"
import { makeGate, restAfter, within } from "./kind/rest.ts"
import type { Callback, From } from "./kind/seat.ts"
import { servicesOf } from "./kind/service.ts"
import { runAsync, type ProvideSpec } from "./module.ts"
import type { Session } from "./surface.ts"
import { makeTopology, type OwnChannel, type Topology, type Wishes } from "./topology.ts"
import { SystemVerbs } from "./verbs.ts"

export interface BaseSystemOptions {
  readonly id: SystemId
  readonly name?: string
  readonly description?: string
  /** From the beginning of one step to that of the next, in milliseconds; default one second. */
  readonly stepMillis?: number
  /** The same as steps per second. */
  readonly tickRate?: number
}

/** As the system itself sees it: before it is docked, at work, resting, at its end, or ended by a failure. */
export const SystemState = { INIT: "INIT", RUNNING: "RUNNING", PAUSED: "PAUSED", STOPPED: "STOPPED", ERROR: "ERROR" } as const
export type SystemState = (typeof SystemState)[keyof typeof SystemState]

/** What a subsystem is given of its owner's. */
export interface SubsystemOptions {
  /** Channels of the owner's, its own or those it was given itself: to read, to write, and to claim from where that is offered. */
  readonly channels?: ReadonlyArray<ChannelId>
}

/** Seconds that channels have, when their system ends, to make messages of what waits. */
const drainSeconds = 5

/**
 * A system with channels of its own and a step that is repeated. Override `setup` to add channels and subsystems, and
 * `step` to work; `kernel.dock(system)` does the rest. Subsystems are docked behind it, at any depth, each under its own id
 * and wired to what it was given.
 */
export class BaseSystem extends SystemVerbs implements System {
  readonly id: SystemId
  readonly name: string
  readonly description: string
  readonly stepMillis: number
  /** Its channels by name: what `readChannel` and its kin use. */
  readonly client: ChannelClient
  readonly prepare: Effect.Effect<void, unknown>
  /** Its life. The kernel calls it with the port; without one it is the end of the life that is under way. A second call joins the first. */
  readonly run: {
    (port: Port): Effect.Effect<void, unknown>
    (): Promise<void>
  }
  /** Ends it when what was begun is completed. The kernel calls it with the port; without one its subsystems end first. */
  readonly drain: {
    (port: Port): Effect.Effect<void, unknown>
    (): Promise<void>
  }
  readonly #topology: Topology
  readonly #subsystems: Array<BaseSystem> = []
  readonly #serves: Array<Executor> = []
  /** What `setup` asked for that needs a port. */
  readonly #atStart: Array<() => Promise<void>> = []
  readonly #gate = makeGate()
  #settled: { readonly done: Promise<void> | void } | undefined
  #state: SystemState = SystemState.INIT
  #session: Session | undefined
  #presence: Presence | undefined
  #halt: AbortController | undefined
  #living: Promise<void> | undefined

  constructor(options: BaseSystemOptions) {
    super()
    this.id = options.id
    this.name = options.name ?? options.id
    this.description = options.description ?? ""
    this.stepMillis = options.stepMillis ?? 1_000 / (options.tickRate ?? 1)
    this.#topology = makeTopology(this.id)
    this.client = new ChannelClient(this.id, { name: this.name, description: this.description })
    const life = runAsync((session) => this.#joined(session))
    // Properties, because the kernel takes them off the object that it docks. Each is one function of two callers.
    this.run = ((port?: Port) => (port === undefined ? this.#ended() : life.run(port))) as BaseSystem["run"]
    this.drain = ((port?: Port) => (port === undefined ? this.#drained() : life.drain(port))) as BaseSystem["drain"]
    this.prepare = Effect.tryPromise({ try: async () => this.#prepared(), catch: (error) => error })
    // Whoever calls it first, and whoever calls it again: topology is built once.
    const built = this.setup
    this.setup = () => {
      if (this.#settled === undefined) {
        this.#settled = { done: undefined }
        const done = built.call(this)
        // Who docks it is told; who only looks at it must not end the process.
        if (done instanceof Promise) done.catch(() => undefined)
        this.#settled = { done }
      }
      return this.#settled.done
    }
  }

  /** Called once, before the system is docked: add channels and subsystems here. */
  setup(): Promise<void> | void {}

  /** One turn of work; repeated until the system is stopped. */
  async step(): Promise<void> {}

  /** A step that throws does not end the system. What this throws does: it is in `ERROR` then, and is started again by the kernel. */
  onStepError(error: unknown): Promise<void> | void {
    this.log.error(`a step of ${this.id} failed: ${error instanceof Error ? error.message : String(error)}`)
  }

  /** Brings a channel along: an object of a channel class, or the description of a channel. */
  addChannel(channel: OwnChannel): void {
    if (this.#living !== undefined) throw new TypeError(`${this.id} runs already: add its channels in setup`)
    this.#topology.add(channel)
    if (channel instanceof BaseChannel) this.client.connect(channel.id, channel)
  }

  /** Owns another system, and wires it to exactly these of its own channels. It is set up, started and stopped with this one. */
  addSubsystem(system: BaseSystem, options: SubsystemOptions = {}): void {
    if (system === this || system.#all().includes(this)) throw new TypeError(`${system.id} cannot be inside itself`)
    const wires = (options.channels ?? []).map((name) => [name, this.#mine(name)] as const)
    this.#subsystems.push(system)
    for (const [name, channel] of wires) {
      system.#topology.give(name, channel)
      if (channel instanceof BaseChannel) system.client.connect(name, channel)
    }
  }

  /** Channels of others that it works with, and executors. */
  connect(wishes: Wishes): void {
    this.#topology.connect(wishes)
  }

  /** Takes part in coordination: in `setup`, so that `coordination` works while it runs. */
  coordinate(): void {
    this.#topology.connect({ reads: seatReads, writes: seatWrites })
  }

  /** Serves an executor to others while it is docked. */
  serve(executor: Executor): void {
    this.#serves.push(executor)
  }

  get state(): SystemState {
    return this.#state
  }

  /** Names of the channels that it is connected to. */
  get channelDirectory(): ReadonlyArray<ChannelId> {
    void this.setup()
    return [...new Set([...this.#topology.names(), ...this.client.channels])]
  }

  /** Ids of the systems that it owns itself. */
  get systemDirectory(): ReadonlyArray<SystemId> {
    return this.subsystems.map(({ id }) => id)
  }

  /** Its own channels and those of its subsystems, at any depth. */
  get allChannels(): ReadonlyArray<ProvideSpec> {
    return this.allSystems.flatMap((system) => system.#topology.specs())
  }

  /** Itself and its subsystems, at any depth. */
  get allSystems(): ReadonlyArray<BaseSystem> {
    return [this, ...this.subsystems.flatMap((system) => system.allSystems)]
  }

  get subsystems(): ReadonlyArray<BaseSystem> {
    void this.setup()
    return this.#subsystems
  }

  /** Its own channels that doors may show. */
  getPublicChannels(): ReadonlyArray<ChannelInfo> {
    void this.setup()
    return this.#topology.publicInfos()
  }

  get manifest(): Manifest {
    void this.setup()
    return this.#topology.manifest(this.description)
  }

  get schemas(): Readonly<Record<ChannelId, StandardSchemaV1>> {
    return this.#topology.schemas()
  }

  get securities(): Readonly<Record<ChannelId, ChannelSecurity>> {
    return this.#topology.securities()
  }

  /** What its channel classes make of raw writes that come from outside. */
  get converters(): Readonly<Record<ChannelId, Converter>> {
    return this.#topology.converters()
  }

  get executors(): ReadonlyArray<Executor> {
    return this.#serves
  }

  /** What it tells of itself: its name, the methods that it exposes, and its channels. */
  get descriptor(): ServiceDescriptor {
    const { provides, reads, writes } = this.manifest
    const own = provides.map(({ name }) => name)
    return {
      systemId: this.id, systemName: this.name, description: this.description, services: servicesOf(this),
      channelsRead: [...own, ...reads], channelsWrite: [...own, ...writes]
    }
  }

  /** Asks it to end, and its subsystems with it: steps, subscriptions and its channels. `run()` resolves when it has. */
  stop(): void {
    for (const system of this.#subsystems) system.stop()
    this.#halt?.abort()
    this.#gate.open()
  }

  /** Rests: no step is begun and nothing is handed to its subscribers until `resume`; its subsystems rest with it. */
  pause(): void {
    for (const system of this.#subsystems) system.pause()
    if (this.#state !== SystemState.RUNNING) return
    this.#state = SystemState.PAUSED
    this.#gate.close()
  }

  resume(): void {
    if (this.#state === SystemState.PAUSED) this.#state = SystemState.RUNNING
    this.#gate.open()
    for (const system of this.#subsystems) system.resume()
  }

  /**
   * Calls back with every message that comes, in order and one at a time. In `setup` it says what is to be subscribed to at
   * each start, and misses nothing that is written since the channel started.
   */
  async subscribeChannel<Content extends object = MessageContent>(
    name: ChannelId, callback: Callback<Content>, options?: { readonly from?: From }
  ): Promise<void> {
    if (this.#session === undefined) this.#atStart.push(() => this.client.subscribe(name, callback, { from: "run", ...options }))
    else await this.client.subscribe(name, callback, options)
  }

  /** A discovery channel, as this system sees it. */
  directory(discovery: ChannelId): Directory {
    return makeDirectory(this.running(), discovery, this.#ttlIn(discovery))
  }

  /** Registers itself in a discovery channel, says so again before it expires, and takes it back when it ends. In `setup`: at each start. */
  async announce(discovery: ChannelId, ttlSeconds = this.#ttlIn(discovery)): Promise<void> {
    if (this.#session === undefined) return void this.#atStart.push(() => this.announce(discovery, ttlSeconds))
    const directory = this.directory(discovery)
    await this.#presence?.keep(discovery, ttlSeconds, () => directory.registerSystem(this.descriptor, ttlSeconds), () => directory.deregister(this.id))
  }

  /** What it does while it is docked: steps, or nothing when it has none. */
  protected async life(): Promise<void> {
    const signal = this.signal
    while (!signal.aborted && this.step !== BaseSystem.prototype.step) {
      await this.#gate.passed()
      if (signal.aborted) break
      const began = performance.now()
      try {
        await this.step()
      } catch (error) {
        if (!signal.aborted) await this.onStepError(error)
      }
      // A step that took longer is followed by the next at once, when others had their turn.
      await within(undefined, restAfter(this.stepMillis, performance.now() - began) / 1_000, signal)
    }
    await within(undefined, undefined, signal)
  }

  protected running(): Session {
    if (this.#session === undefined) throw new TypeError(`${this.id} is not running: dock it first`)
    return this.#session
  }

  #ended(): Promise<void> {
    return this.#living ?? Promise.reject(new TypeError(`${this.id} is not running: dock it first`))
  }

  async #drained(): Promise<void> {
    await Promise.all(this.#subsystems.map((system) => system.drain()))
    this.stop()
    await this.#living?.catch(() => undefined)
  }

  #all(): ReadonlyArray<BaseSystem> {
    return [this, ...this.#subsystems.flatMap((system) => system.#all())]
  }

  #ttlIn(discovery: ChannelId): number {
    const channel = this.#topology.find(discovery)
    return channel instanceof DiscoveryChannel ? channel.registrationTtl : registrationTtlDefault
  }

  /** A channel that it may hand on. */
  #mine(name: ChannelId): OwnChannel {
    const found = this.#topology.find(name)
    if (found !== undefined) return found
    // Composed from outside, before anybody has asked for its channels.
    if (this.#settled === undefined) {
      void this.setup()
      return this.#mine(name)
    }
    throw new TypeError(`${this.id} has no channel ${name} to wire a subsystem to${this.#topology.near(name)}`)
  }

  /** Set up, and its subsystems behind it: what they were given is known by then. */
  async #prepared(): Promise<void> {
    try {
      await this.setup()
    } catch (error) {
      this.#state = SystemState.ERROR
      throw error
    }
  }

  async #joined(session: Session): Promise<void> {
    if (this.#living !== undefined) return within(this.#living, undefined, session.signal)
    const living = this.#live(session).finally(() => (this.#living = undefined))
    // Who waits for its end is told by the kernel how it failed.
    living.catch(() => undefined)
    this.#living = living
    return living
  }

  async #live(given: Session): Promise<void> {
    const halt = (this.#halt = new AbortController())
    const session: Session = { ...given, signal: AbortSignal.any([given.signal, halt.signal]) }
    const { signal } = session
    // Who is asked to end does not rest any longer.
    signal.addEventListener("abort", () => this.#gate.open(), { once: true })
    const channels = this.#topology.own()
    this.#session = session
    this.#presence = makePresence(session)
    this.client[seating].take(session, this.#gate.passed)
    try {
      for (const channel of channels) await channel[table].own(session, this.#gate.passed)
      for (const channel of this.#topology.given()) await channel[table].started(signal)
      if (!signal.aborted) await this.#registerPublic()
      for (const start of this.#atStart) if (!signal.aborted) await start()
      // Who sees it run can use it: its channels have started, and its subscriptions are made.
      this.#state = SystemState.RUNNING
      await this.life()
    } catch (error) {
      this.#state = SystemState.ERROR
      throw error
    } finally {
      this.#gate.open()
      await this.#presence.leave()
      await Promise.all(channels.map((channel) => channel[table].leave(drainSeconds)))
      await this.client[seating].leave()
      this.#session = undefined
      // It may have failed while it ended.
      if ((this.#state as SystemState) !== SystemState.ERROR) this.#state = SystemState.STOPPED
    }
  }

  /** The first discovery channel of its own tells of all PUBLIC channels, its own and its subsystems'. */
  async #registerPublic(): Promise<void> {
    const discovery = this.#topology.own().find((channel): channel is DiscoveryChannel => channel instanceof DiscoveryChannel)
    if (discovery === undefined) return
    const infos = this.allSystems.flatMap((system) => system.getPublicChannels())
    await this.#presence?.keep(`${discovery.id} channels`, discovery.registrationTtl, async () => {
      for (const info of infos) await discovery.registerChannel(info)
    })
  }
}
