// A data pipeline: lines of text become readings, readings become a mean for each place. Two cleaners share the work, what
// cannot be read is set aside, and every result names what it was made of. It is ended in the middle and started again.
import { BaseSystem, EventExists, IdempotencyConflict, PassthroughChannel, type BaseSystemOptions, type ChannelMessage } from "aaax"
import { launch, type HostKernel } from "aaax/kernel"

export interface Reading {
  readonly place: string
  readonly celsius: number
}

export interface Mean extends Reading {
  readonly count: number
}

/** One stage: claims what is new, writes what it makes of it, and only then says that it is done. */
abstract class Stage extends BaseSystem {
  readonly #from: string
  readonly #to: string

  constructor(options: BaseSystemOptions & { readonly from: string; readonly to: string }) {
    super({ tickRate: 500, ...options })
    this.#from = options.from
    this.#to = options.to
  }

  /** What becomes of one message. What it throws is told in `rejects`: it would be the same the next time. */
  protected abstract make(message: ChannelMessage): Promise<unknown> | unknown

  override async step(): Promise<void> {
    for (const message of await this.claimChannel(this.#from, 2)) {
      try {
        await this.#writeOnce(this.#to, await this.make(message), message)
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error
        await this.#writeOnce("rejects", { reason: error.message }, message)
      }
      await this.acknowledgeChannel(this.#from, [message.id])
    }
  }

  /** When it ends between the write and the acknowledgement, the message comes again, perhaps to another: its result has one id. */
  async #writeOnce(channel: string, data: unknown, { correlationId, id }: ChannelMessage): Promise<void> {
    try {
      await this.writeChannel(channel, data, { id: `${channel}-of-${id}`, parents: [id], correlationId: correlationId ?? id })
    } catch (error) {
      // Somebody else's, or this system's own before it began anew.
      if (!(error instanceof EventExists || error instanceof IdempotencyConflict)) throw error
    }
  }
}

class Unreadable extends Error {}

class Cleaner extends Stage {
  protected make({ content }: ChannelMessage): Reading {
    const line = String(content["data"])
    const [place = "", text = ""] = line.split(",").map((part) => part.trim())
    const celsius = Number(text)
    if (place === "" || text === "" || Number.isNaN(celsius)) throw new Unreadable(`not a reading: ${line}`)
    return { place, celsius }
  }
}

/** What it knows lies in what it wrote: it begins by reading that. */
class Averager extends Stage {
  #newest: Map<string, Mean> | undefined

  protected async make({ content, id }: ChannelMessage): Promise<Mean> {
    this.#newest ??= await this.#known()
    const { celsius, place } = content["data"] as unknown as Reading
    const before = this.#newest.get(place) ?? { count: 0, celsius: 0 }
    const count = before.count + 1
    const mean = { place, celsius: (before.celsius * before.count + celsius) / count, count }
    // One that is written already is counted already.
    if (!this.#counted.has(id)) this.#newest.set(place, mean)
    return mean
  }

  readonly #counted = new Set<string>()

  async #known(): Promise<Map<string, Mean>> {
    const newest = new Map<string, Mean>()
    for (let after = 0, from = -1; from < after;) {
      from = after
      const { events, next } = await this.channel("means").read({ after, limit: 1_000, fullLog: true })
      for (const { parentIds, payload } of events) {
        const { data } = payload as { readonly data: Mean }
        newest.set(data.place, data)
        for (const id of parentIds) this.#counted.add(id)
      }
      after = Math.max(after, next)
    }
    return newest
  }
}

class Pipeline extends BaseSystem {
  override setup(): void {
    for (const id of ["lines", "readings", "means", "rejects"]) this.addChannel(new PassthroughChannel({ id, form: "pipeline-edge" }))
    for (const id of ["cleaner-1", "cleaner-2"]) {
      this.addSubsystem(new Cleaner({ id, from: "lines", to: "readings" }), { channels: ["lines", "readings", "rejects"] })
    }
    this.addSubsystem(new Averager({ id: "averager", from: "readings", to: "means" }), { channels: ["readings", "means", "rejects"] })
  }
}

/** Everything that an event was made of, back to what came in. */
const originsOf = async (kernel: HostKernel, parentIds: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const kept = (await Promise.all(["lines", "readings"].map((name) => kernel.channels.read(name, { limit: 1_000 })))).flat()
  const found = kept.filter(({ id }) => parentIds.includes(id))
  const further = found.flatMap((event) => event.parentIds)
  return [...found.map(({ channel }) => channel), ...(further.length === 0 ? [] : await originsOf(kernel, further))]
}

const input = ["attic, 27", "cellar, 12", "attic, 29", "cellar", "attic, warm", "cellar, 14", "attic, 31"]

export interface Outcome {
  /** The newest mean of each place. */
  readonly means: ReadonlyArray<Mean>
  readonly rejects: ReadonlyArray<unknown>
  /** Channels that each mean came through. */
  readonly origins: ReadonlyArray<ReadonlyArray<string>>
  readonly correlated: boolean
}

export const main = async (): Promise<Outcome> => {
  const kernel = await launch({ store: ":memory:" })
  try {
    const pipeline = new Pipeline({ id: "pipeline" })
    await kernel.dock(pipeline)
    for (const line of input) await pipeline.writeChannel("lines", line)
    // Ended when the first mean is there, wherever its stages are, and started anew: what they held comes again.
    for await (const _ of kernel.channels.subscribe("means", { limit: 1 })) await kernel.undock("pipeline")
    await kernel.dock(new Pipeline({ id: "pipeline" }))
    const rejects = []
    for await (const { payload } of kernel.channels.subscribe("rejects", { limit: 2 })) rejects.push(payload)
    const made = []
    for await (const event of kernel.channels.subscribe("means", { limit: 5 })) made.push(event)

    const lines = new Set((await kernel.channels.read("lines")).map(({ id }) => id))
    const newest = new Map(made.map(({ payload }) => {
      const { data } = payload as unknown as { readonly data: Mean }
      return [data.place, data]
    }))
    return {
      means: [...newest.values()].sort((a, b) => a.place.localeCompare(b.place)),
      rejects,
      origins: await Promise.all(made.map(({ parentIds }) => originsOf(kernel, parentIds))),
      correlated: made.every(({ correlationId }) => correlationId !== null && lines.has(correlationId))
    }
  } finally {
    await kernel.close()
  }
}
