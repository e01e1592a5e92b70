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
import { makeCycle, type Cycle, type Phase } from "./cycle.ts"
import { appendingOf, dressed, keptAs, type MessageOptions } from "./draft.ts"
import { makeIntake, type Intake } from "./intake.ts"
import type { Evict, Kept } from "./kept.ts"
import { isChannelMessage } from "./message.ts"
import { maintenanceSecondsDefault, provided, rawBufferDefault, workersDefault, type ChannelOptions, type Shape } from "./options.ts"
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

/** Where a write is that was kept nowhere. */
const nowhere = { cursor: 0, recordedAt: 0 } as const

/** What is thrown before there is a promise, as its rejection. */
const attempted = <A>(work: () => Promise<A>): Promise<A> => {
  try {
    return work()
  } catch (error) {
    return Promise.reject(error)
  }
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
  #since: Cursor = 0
  readonly #cycle: Cycle

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
        await this.#cycle.soon()
        this.#accept()
        const message = await this.convertFn(sender, raw)
        return message === null || message === undefined ? null : draftOf(message)
      },
      // Who has just been docked beside it is not refused because it is a moment late.
      write: (seat, data, given) => this.#cycle.soon()?.then(() => this.#write(seat, data, given)) ?? attempted(() => this.#write(seat, data, given)),
      since: () => this.#since,
      started: (signal) => this.#cycle.started(signal)
    }
    this.#cycle = makeCycle({
      isBuffered: () => this.isBuffered,
      periodSeconds: this.period,
      maintenanceSeconds: this.maintenanceIntervalSeconds,
      resting: () => this.#resting(),
      does: {
        start: () => this.onStart(), pull: () => this.onPull(), process: () => this.onProcess(), maintain: () => this.onMaintain(),
        stop: () => this.onStop()
      },
      failed: (phase, error) => this.#fail(phase, error),
      waiting: this.#raw.size,
      abandon: this.#raw.abandon
    })
  }

  get info(): ChannelInfo {
    return { id: this.id, name: this.name, description: this.description, visibility: this.visibility, period: this.period }
  }

  /** Between `start` and `stop`. */
  get isRunning(): boolean {
    return this.#cycle.isRunning()
  }

  get acceptsWrites(): boolean {
    return this.#cycle.closed() === undefined
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
    await this.pullFn()
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
    await this.#cycle.start()
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
    const abandoned = await this.#cycle.drain(timeoutSeconds)
    if (abandoned > 0) this.#log(`${this.id}: ${abandoned} items were given up before they became messages`)
    return abandoned
  }

  /** The next messages of the system's own cursor, or claimed for it alone. */
  read(readerId: SystemId, limit = 10, exclusive = false, after?: string): Promise<ReadonlyArray<ChannelMessage<Content>>> {
    return this.#as(readerId, "read", (seat) => (exclusive ? seat.claim(limit) : seat.read(limit, after)))
  }

  /** Answers the id of the message; of one that waits for a cycle, an id of its own; of one that was discarded, nothing. */
  write(senderId: SystemId, data: unknown, options: boolean | MessageOptions = false): Promise<string> {
    const given = typeof options === "boolean" ? { direct: options } : options
    return attempted(() => {
      this.#accept()
      return this.#write(this.#seatOf(senderId, "write to"), data, given).then(({ id }) => id)
    })
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
    const reason = this.#cycle.closed()
    if (reason !== undefined) throw new NotAccepting({ channel: this.id, reason })
  }

  #place(): Seat<Content> {
    return seatAt<Content>(this.session, this.id, this.#resting)
  }

  /** Whoever is named must be who speaks: an object is no licence to speak for others. */
  #seatOf(id: SystemId, operation: string): Seat<Content> {
    const seat = this.#place()
    if (id === seat.system) return seat
    throw new Denied({
      system: seat.system, operation, target: `${this.id} as ${id}`, reason: "this object speaks for the system that provides it",
      allowed: seat.system, how: "Another system reads and writes through its own client, or is a subsystem."
    })
  }

  #as<A>(id: SystemId, operation: string, use: (seat: Seat<Content>) => Promise<A>): Promise<A> {
    return attempted(() => use(this.#seatOf(id, operation)))
  }

  /* hot */
  #write(seat: Seat<Content>, data: unknown, options: MessageOptions): Promise<Written> {
    this.#accept()
    if (options.direct === true) {
      if (!isChannelMessage(data)) throw new TypeError(`${this.id}: a direct write takes a ChannelMessage, made by channelMessage({ content })`)
      return this.#keep(seat, data, options)
    }
    if (this.isBuffered) return Promise.resolve({ id: this.#raw.put({ seat, data, options }), ...nowhere })
    const keep = (message: Converted): Promise<Written> =>
      message === null || message === undefined ? Promise.resolve({ id: "", ...nowhere }) : this.#keep(seat, message, options)
    const converted = this.convertFn(seat.system, data)
    return converted instanceof Promise ? converted.then(keep) : keep(converted)
  }

  /* hot */
  #keep(seat: Seat<Content>, message: MessageDraft, options: MessageOptions): Promise<Appended> {
    const said = "senderId" in message ? message.senderId : ""
    if (said !== "" && said !== seat.system) {
      throw new Denied({
        system: seat.system, operation: "write to", target: this.id, reason: `the message says that it is from ${String(said)}`,
        allowed: `messages of ${seat.system}`, how: "Leave `senderId` out: the kernel stamps it."
      })
    }
    const draft = dressed(draftOf(message), options)
    const appended = seat.append(draft, appendingOf(draft, options))
    return this.onMessage === BaseChannel.prototype.onMessage
      ? appended
      : appended.then((kept) => this.#told(keptAs(message, options, kept, seat.system), kept))
  }

  async #told(message: ChannelMessage<object>, appended: Appended): Promise<Appended> {
    try {
      // Its content is what the schema, or the author, says.
      await this.onMessage(message as unknown as ChannelMessage<Content>)
    } catch (error) {
      await this.#fail("message", error)
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
