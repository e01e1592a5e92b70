// A channel as a class, as the first Python generation knows it: a source that is pulled, raw items that become messages, and
// the six operations of its readers and writers. What it holds lies in the kernel's channel of the same name.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Visibility } from "../../protocol/channel.ts"
import { Denied } from "../../protocol/errors.ts"
import type { Appended, Draft, Filter } from "../../protocol/event.ts"
import { draftOf, periodSecondsDefault, type ChannelInfo, type ChannelMessage, type MessageContent, type MessageDraft } from "../../protocol/message.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import type { ChannelSecurity } from "../../protocol/security.ts"
import { headOf } from "../channel.ts"
import type { ProvideSpec } from "../module.ts"
import type { Session } from "../surface.ts"
import { appendingOf, dressed, keptAs, type MessageOptions } from "./draft.ts"
import { makeIntake, type Intake } from "./intake.ts"
import type { Evict, Kept } from "./kept.ts"
import { isChannelMessage } from "./message.ts"
import { maintenanceSecondsDefault, provided, rawBufferDefault, workersDefault, type ChannelOptions, type Shape } from "./options.ts"
import { within } from "./rest.ts"
import { seatAt, type Callback, type From, type NackOptions, type Seat } from "./seat.ts"

/** The channel takes no writes through its object: it has not started, or it is ending. */
export class NotAccepting extends Data.TaggedError("NotAccepting")<{ readonly channel: ChannelId; readonly reason: string }> {
  override get message(): string {
    return `${this.channel} is not accepting writes: ${this.reason}.`
  }
}

/** What becomes of a write: where it went, or only the id of what waits to be converted. Cursor 0: nothing is kept yet, or at all. */
export type Written = Appended

/** What `convertFn` may answer; nothing discards the item. */
export type Converted = MessageDraft | null | undefined

export type Phase = "start" | "pull" | "process" | "message" | "maintain" | "stop"

/** For systems and clients: how they get a place at a channel object. Not part of what authors call. */
export const table: unique symbol = Symbol("aaax.libos.table")

export interface Table<Content extends object> {
  /** The place of the system that provides it; from now on it can be started. */
  readonly own: (session: Session, resting: () => Promise<void> | undefined) => Promise<void>
  readonly leave: (timeoutSeconds: number) => Promise<void>
  /** The place of another system. */
  readonly seat: (session: Session, resting: () => Promise<void> | undefined) => Seat<Content>
  /** A raw write that comes from outside, as a draft. */
  readonly convert: (sender: SystemId, raw: unknown) => Promise<Draft | null>
  readonly write: (seat: Seat<Content>, data: unknown, options: MessageOptions) => Promise<Written>
  /** Everything up to here was there before it started. */
  readonly since: () => Cursor
  /** Resolves when it has started. */
  readonly started: (signal: AbortSignal) => Promise<void>
}

interface Raw<Content extends object> {
  readonly seat: Seat<Content>
  readonly data: unknown
  readonly options: MessageOptions
}

/**
 * Override `pullFn` to fetch from outside and `convertFn` to make messages of what was written. Written items wait in a
 * bounded buffer until the next cycle: pull, process, rest for `period` seconds.
 */
export abstract class BaseChannel<Content extends object = MessageContent> implements Kept<Content> {
  readonly id: ChannelId
  readonly name: string
  readonly description: string
  readonly visibility: Visibility
  /** Seconds. */
  readonly period: number
  readonly maxWorkers: number
  readonly maxRawBufferSize: number
  readonly retentionMaxAge: number | undefined
  readonly retentionMaxCount: number | undefined
  readonly maintenanceIntervalSeconds: number
  readonly security: ChannelSecurity | undefined
  /** As its system provides it to the kernel. */
  readonly spec: ProvideSpec
  readonly [table]: Table<Content>
  readonly #raw: Intake<Raw<Content>>
  #session: Session | undefined
  #resting: () => Promise<void> | undefined = () => undefined
  #halt: AbortController | undefined
  #since: Cursor = 0
  #isAccepting = false
  #whyNot = "it has not started; add it to a system, and dock that"
  #loop: Promise<unknown> = Promise.resolve()
  #wake = new AbortController()
  #processing: Promise<void> = Promise.resolve()
  #whenStarted: Array<() => void> = []

  constructor(options: ChannelOptions, shape: Shape = {}) {
    this.id = options.id
    this.name = options.name ?? options.id
    this.description = options.description ?? ""
    this.visibility = options.visibility ?? "private"
    this.period = options.period ?? periodSecondsDefault
    this.maxWorkers = Math.max(1, options.maxWorkers ?? workersDefault)
    this.maxRawBufferSize = options.maxRawBufferSize ?? rawBufferDefault
    this.retentionMaxAge = options.retentionMaxAge
    this.retentionMaxCount = options.retentionMaxCount
    this.maintenanceIntervalSeconds = options.maintenanceIntervalSeconds ?? maintenanceSecondsDefault
    this.security = options.security
    this.spec = provided(options, shape)
    this.#raw = makeIntake({ channel: this.id, max: this.maxRawBufferSize, workers: this.maxWorkers })
    this[table] = {
      own: (session, resting) => this.#own(session, resting),
      leave: (timeoutSeconds) => this.#leave(timeoutSeconds),
      seat: (session, resting) => seatAt<Content>(session, this.id, resting),
      convert: async (sender, raw) => {
        this.#accept()
        const message = await this.convertFn(sender, raw)
        return message === null || message === undefined ? null : draftOf(message)
      },
      write: (seat, data, given) => this.#write(seat, data, given),
      since: () => this.#since,
      started: (signal) => this.#started(signal)
    }
  }

  get info(): ChannelInfo {
    return { id: this.id, name: this.name, description: this.description, visibility: this.visibility, period: this.period }
  }

  /** Between `start` and `stop`. */
  get isRunning(): boolean {
    return this.#halt !== undefined
  }

  get acceptsWrites(): boolean {
    return this.#isAccepting
  }

  /** The system that provides it, which is who speaks when its methods are called. */
  get owner(): SystemId {
    return this.#place().system
  }

  /** Fetches from outside, and writes what it finds. Called at the start, and then once in each cycle. */
  abstract pullFn(): Promise<unknown> | unknown

  /** Makes a message of what `senderId` wrote, or nothing to discard it. The sender of the message is stamped, whatever it says. */
  abstract convertFn(senderId: SystemId, raw: unknown): Promise<Converted> | Converted

  protected onStart(): Promise<void> | void {}

  protected async onPull(): Promise<void> {
    try {
      await this.pullFn()
    } catch (error) {
      await this.#fail("pull", error)
    }
  }

  protected async onProcess(): Promise<void> {
    await this.#raw.process(
      async ({ data, seat }) => this.convertFn(seat.system, data),
      async (converted) => {
        for (const [{ options, seat }, message] of converted) {
          try {
            await this.#keep(seat, message as MessageDraft, options) // what `convertFn` answered, and not nothing
          } catch (error) {
            await this.#fail("process", error)
          }
        }
      },
      (error) => this.#fail("process", error)
    )
  }

  /** Called with each message that was kept through this object, before its write returns. */
  protected onMessage(_message: ChannelMessage<Content>): Promise<void> | void {}

  /** Called every `maintenanceIntervalSeconds`. Retention is the kernel's, which needs no reminder. */
  protected onMaintain(): Promise<void> | void {}

  /** What goes wrong in a phase costs the item or the cycle, never the channel. */
  protected onError(phase: Phase, error: unknown): Promise<void> | void {
    this.#log(`${this.id}: ${phase} failed: ${error instanceof Error ? error.message : String(error)}`)
  }

  protected onStop(): Promise<void> | void {}

  /** Whether writes wait for a cycle. */
  protected get isBuffered(): boolean {
    return true
  }

  /** Done by the system that provides it; a second call changes nothing. */
  async start(): Promise<void> {
    this.#place()
    if (this.#halt !== undefined) return
    const halt = (this.#halt = new AbortController())
    try {
      await this.onStart()
    } catch (error) {
      await this.#fail("start", error)
    }
    if (halt.signal.aborted) return
    this.#isAccepting = true
    const waiting = this.#whenStarted
    this.#whenStarted = []
    for (const go of waiting) go()
    this.#loop = Promise.all([this.isBuffered ? this.#cycles(halt.signal) : undefined, this.#maintenance(halt.signal)])
  }

  /** Ends it now: what waits to be converted is given up. */
  async stop(): Promise<void> {
    await this.drain(0)
  }

  /**
   * Takes no more writes, converts what waits, awaits what is under way, and ends it. After `timeoutSeconds` the rest is given
   * up; answers how many items that were.
   */
  async drain(timeoutSeconds?: number): Promise<number> {
    const halt = this.#halt
    if (halt === undefined) return 0
    this.#isAccepting = false
    this.#whyNot = "it is stopped"
    const emptied = timeoutSeconds === 0 ? Promise.resolve() : within(this.#empty(), timeoutSeconds)
    await emptied
    const abandoned = this.#raw.abandon()
    if (abandoned > 0) this.#log(`${this.id}: ${abandoned} items were given up before they became messages`)
    this.#halt = undefined
    halt.abort()
    this.#wake.abort()
    await within(this.#loop, 1)
    try {
      await this.onStop()
    } catch (error) {
      await this.#fail("stop", error)
    }
    return abandoned
  }

  /** The next messages of the system's own cursor, or claimed for it alone. */
  read(readerId: SystemId, limit = 10, exclusive = false, after?: string): Promise<ReadonlyArray<ChannelMessage<Content>>> {
    return this.#as(readerId, "read", (seat) => (exclusive ? seat.claim(limit) : seat.read(limit, after)))
  }

  /** Answers the id of the message; of one that waits for a cycle, an id of its own; of one that was discarded, nothing. */
  async write(senderId: SystemId, data: unknown, options: boolean | MessageOptions = false): Promise<string> {
    this.#accept()
    const given = typeof options === "boolean" ? { direct: options } : options
    return this.#as(senderId, "write to", async (seat) => (await this.#write(seat, data, given)).id)
  }

  /** Calls back with each message, one after the other, at the subscriber's pace. A second call replaces the first. */
  subscribe(systemId: SystemId, callback: Callback<Content>, options: { readonly from?: From } = {}): Promise<void> {
    return this.#as(systemId, "subscribe to", (seat) => seat.subscribe(callback, options.from === "run" ? this.#since : options.from ?? "now"))
  }

  unsubscribe(systemId: SystemId): void {
    if (this.#session?.port.system === systemId) this.#place().unsubscribe()
  }

  /** Ends claims; answers how many. Rejects with `LeaseLost` when one of them is somebody else's by now. */
  acknowledge(readerId: SystemId, messageIds: ReadonlyArray<string>): Promise<number> {
    return this.#as(readerId, "acknowledge in", (seat) => seat.acknowledge(messageIds))
  }

  /** Gives claims back; answers how many. */
  nack(readerId: SystemId, messageIds: ReadonlyArray<string>, options?: NackOptions): Promise<number> {
    return this.#as(readerId, "give back to", (seat) => seat.nack(messageIds, options))
  }

  get = (id: string): Promise<ChannelMessage<Content> | null> => this.#place().get(id)
  getRange = (fromSeconds: number, toSeconds: number, limit?: number): Promise<ReadonlyArray<ChannelMessage<Content>>> =>
    this.#place().getRange(fromSeconds, toSeconds, limit)
  getLatest = (count: number): Promise<ReadonlyArray<ChannelMessage<Content>>> => this.#place().getLatest(count)
  clear = (which?: Filter | ((message: ChannelMessage<Content>) => boolean)): Promise<void> => this.#place().clear(which)
  evict = (options: Evict): Promise<void> => this.#place().evict(options)
  remove = (ids: ReadonlyArray<string>): Promise<number> => this.#place().remove(ids)

  /** The run of the system that provides it. */
  protected get session(): Session {
    if (this.#session === undefined) throw new TypeError(`${this.id} belongs to no running system: add it to one and dock that`)
    return this.#session
  }

  #accept(): void {
    if (!this.#isAccepting) throw new NotAccepting({ channel: this.id, reason: this.#whyNot })
  }

  #place(): Seat<Content> {
    return seatAt<Content>(this.session, this.id, this.#resting)
  }

  /** Whoever is named must be who speaks: an object is no licence to speak for others. */
  async #as<A>(id: SystemId, operation: string, use: (seat: Seat<Content>) => Promise<A>): Promise<A> {
    const seat = this.#place()
    if (id !== seat.system) {
      throw new Denied({
        system: seat.system, operation, target: `${this.id} as ${id}`, reason: "this object speaks for the system that provides it",
        allowed: seat.system, how: "Another system reads and writes through its own client, or is a subsystem."
      })
    }
    return use(seat)
  }

  async #write(seat: Seat<Content>, data: unknown, options: MessageOptions): Promise<Written> {
    this.#accept()
    if (options.direct === true) {
      if (!isChannelMessage(data)) throw new TypeError(`${this.id}: a direct write takes a ChannelMessage, made by channelMessage({ content })`)
      return this.#keep(seat, data, options)
    }
    if (this.isBuffered) return { id: this.#raw.put({ seat, data, options }), cursor: 0, recordedAt: 0 }
    const message = await this.convertFn(seat.system, data)
    return message === null || message === undefined ? { id: "", cursor: 0, recordedAt: 0 } : this.#keep(seat, message, options)
  }

  async #keep(seat: Seat<Content>, message: MessageDraft, options: MessageOptions): Promise<Appended> {
    const said = "senderId" in message ? message.senderId : ""
    if (said !== "" && said !== seat.system) {
      throw new Denied({
        system: seat.system, operation: "write to", target: this.id, reason: `the message says that it is from ${String(said)}`,
        allowed: `messages of ${seat.system}`, how: "Leave `senderId` out: the kernel stamps it."
      })
    }
    const draft = dressed(draftOf(message), options)
    const appended = await seat.append(draft, appendingOf(draft, options))
    if (this.onMessage !== BaseChannel.prototype.onMessage) {
      try {
        // Its content is what the schema, or the author, says.
        await this.onMessage(keptAs(message, options, appended, seat.system) as unknown as ChannelMessage<Content>)
      } catch (error) {
        await this.#fail("message", error)
      }
    }
    return appended
  }

  async #own(session: Session, resting: () => Promise<void> | undefined): Promise<void> {
    this.#session = session
    this.#resting = resting
    this.#since = await session.bridge.run(headOf(session.port, this.id))
    await this.start()
  }

  async #leave(timeoutSeconds: number): Promise<void> {
    await this.drain(timeoutSeconds)
    if (this.#session === undefined) return
    const seat = this.#place()
    this.#session = undefined
    await seat.close()
  }

  #started(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isAccepting || signal.aborted) return resolve()
      const go = (): void => {
        signal.removeEventListener("abort", go)
        resolve()
      }
      this.#whenStarted.push(go)
      signal.addEventListener("abort", go, { once: true })
    })
  }

  async #cycles(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#resting()
      if (signal.aborted) return
      await this.onPull()
      await this.#processed()
      this.#wake = new AbortController()
      if (this.#isAccepting) await within(undefined, this.period, AbortSignal.any([signal, this.#wake.signal]))
      // A drain processes by itself; the source is not pulled any more.
      if (!this.#isAccepting) return
    }
  }

  async #maintenance(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await within(undefined, this.maintenanceIntervalSeconds, signal)
      if (signal.aborted) return
      try {
        await this.onMaintain()
      } catch (error) {
        await this.#fail("maintain", error)
      }
    }
  }

  /** One after the other, so that a drain does not overtake a cycle. */
  #processed(): Promise<void> {
    this.#processing = this.#processing.then(async () => {
      try {
        await this.onProcess()
      } catch (error) {
        await this.#fail("process", error)
      }
    })
    return this.#processing
  }

  async #empty(): Promise<void> {
    this.#wake.abort()
    await this.#processed()
    while (this.#raw.size() > 0 && this.#halt !== undefined) await this.#processed()
  }

  async #fail(phase: Phase, error: unknown): Promise<void> {
    try {
      await this.onError(phase, error)
    } catch (thrown) {
      this.#log(`${this.id}: onError failed at ${phase}: ${String(thrown)}`)
    }
  }

  #log(message: string): void {
    this.#session?.bridge.start(Effect.annotateLogs(Effect.logWarning(message), { system: this.#session.port.system }))
  }
}
