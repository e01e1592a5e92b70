// Systems as classes, for those who know them from the Python ancestors: a subclass that is docked as it is.
import type { Access, Risk } from "../protocol/authority.ts"
import type { Appended } from "../protocol/event.ts"
import { emptyManifest, type Manifest, type System } from "../protocol/manifest.ts"
import type { ChannelId, SystemId } from "../protocol/names.ts"
import type { StandardSchemaV1 } from "../protocol/standard-schema.ts"
import type { Executor } from "../protocol/executor.ts"
import type { Acted, ActOptions, Capability, CapabilityOptions } from "./authority.ts"
import { makeReader, makeWriter, type WriteOptions } from "./channel.ts"
import { makeLog, makeReads, makeRequest, makeTakes, makeWrites } from "./context.ts"
import { runAsync, type ProvideSpec } from "./module.ts"
import { toStandard, type PayloadSchema } from "./payload.ts"
import type { Handling, Log, Reads, Session, Takes } from "./surface.ts"

/** The ancestor's action request, in its words. */
export interface ActionOptions extends Omit<ActOptions, "risk"> {
  readonly executor: string
  readonly riskLevel?: Risk
}

export interface BaseSystemOptions {
  readonly id: SystemId
  readonly name?: string
  readonly description?: string
  /** Pause between steps, in milliseconds; default one second. */
  readonly stepMillis?: number
}

/**
 * A system with channels of its own and a step that is repeated. Override `setup` to add channels and subsystems, and
 * `step` to work; `kernel.dock(system)` does the rest. Subsystems run under the same port, at any depth.
 */
export class BaseSystem implements System {
  readonly id: SystemId
  readonly name: string
  readonly description: string
  readonly stepMillis: number
  readonly run: NonNullable<System["run"]>
  readonly drain: NonNullable<System["drain"]>
  readonly #channels = new Map<ChannelId, ProvideSpec>()
  readonly #subsystems: Array<BaseSystem> = []
  readonly #reads = new Set<ChannelId>()
  readonly #writes = new Set<ChannelId>()
  readonly #executors = new Set<string>()
  readonly #serves: Array<Executor> = []
  #isSetUp = false
  #session: Session | undefined

  constructor(options: BaseSystemOptions) {
    this.id = options.id
    this.name = options.name ?? options.id
    this.description = options.description ?? ""
    this.stepMillis = options.stepMillis ?? 1_000
    const life = runAsync((session) => this.#live(session))
    this.run = life.run
    this.drain = life.drain
  }

  /** Called once, before the system is docked: add channels and subsystems here. */
  setup(): void {}

  /** One turn of work; repeated until the system is stopped. */
  async step(): Promise<void> {}

  /** A step that throws does not end the system. */
  onStepError(error: unknown): void {
    this.log.error(`a step of ${this.id} failed: ${error instanceof Error ? error.message : String(error)}`)
  }

  /** Brings a channel along. */
  addChannel(channel: ProvideSpec): void {
    if (this.#channels.has(channel.name)) throw new TypeError(`${this.id} has the channel ${channel.name} already`)
    this.#channels.set(channel.name, channel)
  }

  /** Owns another system: its channels are brought along, its steps run beside this one's. */
  addSubsystem(system: BaseSystem): void {
    if (system === this || system.#all().includes(this)) throw new TypeError(`${system.id} cannot be inside itself`)
    this.#subsystems.push(system)
  }

  /** Channels of others that it works with. */
  connect(wishes: { readonly reads?: ReadonlyArray<ChannelId>; readonly writes?: ReadonlyArray<ChannelId>; readonly executors?: ReadonlyArray<string> }): void {
    for (const channel of wishes.reads ?? []) this.#reads.add(channel)
    for (const channel of wishes.writes ?? []) this.#writes.add(channel)
    for (const executor of wishes.executors ?? []) this.#executors.add(executor)
  }

  /** Serves an executor to others while it is docked. */
  serve(executor: Executor): void {
    this.#serves.push(executor)
  }

  /** Its own channels and those of its subsystems. */
  get allChannels(): ReadonlyArray<ProvideSpec> {
    return this.#settled().flatMap((system) => [...system.#channels.values()])
  }

  get allSystems(): ReadonlyArray<BaseSystem> {
    return this.#settled()
  }

  get manifest(): Manifest {
    const systems = this.#settled()
    const own = new Set(this.allChannels.map(({ name }) => name))
    const others = (of: (system: BaseSystem) => ReadonlySet<ChannelId>): ReadonlyArray<ChannelId> =>
      [...new Set(systems.flatMap((system) => [...of(system)]))].filter((name) => !own.has(name))
    return {
      ...emptyManifest(this.id),
      description: this.description,
      reads: others((system) => system.#reads),
      writes: others((system) => system.#writes),
      provides: this.allChannels.map(({ schema, ...channel }) => (typeof schema === "string" ? { ...channel, schema } : channel)),
      executors: [...new Set(systems.flatMap((system) => [...system.#executors]))]
    }
  }

  get schemas(): Readonly<Record<ChannelId, StandardSchemaV1>> {
    return Object.fromEntries(this.allChannels.flatMap(({ name, schema }) => (isSchema(schema) ? [[name, toStandard(schema)]] : [])))
  }

  get executors(): ReadonlyArray<Executor> {
    return this.#settled().flatMap((system) => system.#serves)
  }

  /** Aborted when the system is to end. */
  get signal(): AbortSignal {
    return this.#running().signal
  }

  get log(): Log {
    return makeLog(this.#running())
  }

  channel(name: ChannelId): Reads<unknown, string> {
    return makeReads(this.#running(), makeReader(this.#running().port, name), name)
  }

  queue(name: ChannelId): Takes<unknown, string> {
    return makeTakes(this.#running(), makeReader(this.#running().port, name), name)
  }

  writeChannel(name: ChannelId, payload: unknown, options?: WriteOptions): Promise<Appended> {
    return makeWrites<unknown>(this.#running(), makeWriter(this.#running().port, name)).append([payload], options).then(([first]) => first!)
  }

  requestCapability(resource: string, access: Access, options?: CapabilityOptions): Promise<Capability> {
    return makeRequest(this.#running())(resource, access, options)
  }

  /** Acts through the gate; answers the outcome, throws `Refused` or `EffectFailed`. */
  requestAction(request: ActionOptions): Promise<Acted> {
    const { executor, riskLevel, ...options } = request
    const session = this.#running()
    return session.bridge.run(session.authority.act(executor, { risk: riskLevel ?? "medium", ...options }))
  }

  #running(): Session {
    if (this.#session === undefined) throw new TypeError(`${this.id} is not running: dock it first`)
    return this.#session
  }

  #all(): ReadonlyArray<BaseSystem> {
    return [this, ...this.#subsystems.flatMap((system) => system.#all())]
  }

  /** All of them, each set up once. */
  #settled(): ReadonlyArray<BaseSystem> {
    if (!this.#isSetUp) {
      this.#isSetUp = true
      this.setup()
    }
    return [this, ...this.#subsystems.flatMap((system) => system.#settled())]
  }

  async #live(session: Session): Promise<void> {
    const systems = this.#settled()
    for (const system of systems) system.#session = session
    try {
      await Promise.all(systems.map((system) => system.life()))
    } finally {
      for (const system of systems) if (system.#session === session) system.#session = undefined
    }
  }

  /** What it does while it is docked: steps, or nothing when it has none. */
  protected async life(): Promise<void> {
    const signal = this.signal
    while (!signal.aborted && this.step !== BaseSystem.prototype.step) {
      try {
        await this.step()
      } catch (error) {
        if (!signal.aborted) this.onStepError(error)
      }
      await pause(this.stepMillis, signal)
    }
    await pause(undefined, signal)
  }
}

const isSchema = (schema: ProvideSpec["schema"]): schema is PayloadSchema => schema !== undefined && schema !== null && typeof schema !== "string"

/** Until the time is over, if one is given, or the signal is aborted. */
const pause = (millis: number | undefined, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      if (timer !== undefined) clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
    const timer = millis === undefined ? undefined : setTimeout(done, millis)
    signal.addEventListener("abort", done)
  })

/** What a tactic is: it is given a task and answers. Doing anything goes through `on.act`. */
export type Tactic = (task: unknown, on: Handling) => Promise<unknown> | unknown

/** A system around one tactic: takes tasks from `<id>.tasks`, appends what the tactic answers to `<id>.results`. */
export class TacticSystem extends BaseSystem {
  readonly tasks: ChannelId
  readonly results: ChannelId
  readonly #tactic: Tactic

  constructor(options: BaseSystemOptions & { readonly tactic: Tactic; readonly executors?: ReadonlyArray<string> }) {
    super(options)
    const stem = options.id.replaceAll("/", ".")
    this.tasks = `${stem}.tasks`
    this.results = `${stem}.results`
    this.#tactic = options.tactic
    if (options.executors !== undefined) this.connect({ executors: options.executors })
  }

  override setup(): void {
    this.addChannel({ name: this.tasks, form: "queue" })
    this.addChannel({ name: this.results, form: "log" })
  }

  protected override async life(): Promise<void> {
    await this.queue(this.tasks).work(async (task, on) => {
      const result = await this.#tactic(task.payload, on)
      await this.writeChannel(this.results, result ?? null, {
        key: on.key(this.results), parents: [task.id], correlationId: task.id, recipient: task.sender
      })
    })
  }
}

export interface LibOSConfig {
  readonly name?: string
  readonly strictBoot?: boolean
  readonly discoverSharedPackages?: boolean
}

/** Builds the systems of tactics. Nothing is discovered: a tactic is handed over as a function. */
export class DefaultLibOS {
  readonly config: Required<LibOSConfig>

  constructor(config: LibOSConfig = {}) {
    this.config = { name: "lllm", strictBoot: true, discoverSharedPackages: false, ...config }
  }

  tacticSystem(options: BaseSystemOptions & { readonly tactic: Tactic; readonly executors?: ReadonlyArray<string> }): TacticSystem {
    return new TacticSystem(options)
  }
}
