// A data pipeline: lines of text become readings, readings become a mean for each place. Two cleaners share the work, what
// cannot be read is set aside, and every result names what it was made of. It may be stopped anywhere and started again.
import { BaseSystem, PassthroughChannel, type BaseSystemOptions, type ChannelMessage } from "aaax"
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
  protected abstract make(message: ChannelMessage): unknown

  override async step(): Promise<void> {
    for (const message of await this.claimChannel(this.#from, 10)) {
      let made: unknown
      try {
        made = this.make(message)
      } catch (error) {
        await this.writeChannel("rejects", { reason: (error as Error).message }, { parents: [message.id], key: message.id })
        await this.acknowledgeChannel(this.#from, [message.id])
        continue
      }
      // When the process ends between these two lines, the message comes again, and its key writes nothing twice.
      await this.writeChannel(this.#to, made, {
        parents: [message.id], correlationId: message.correlationId ?? message.id, key: message.id
      })
      await this.acknowledgeChannel(this.#from, [message.id])
    }
  }
}

class Cleaner extends Stage {
  protected make({ content }: ChannelMessage): Reading {
    const line = String(content["data"])
    const [place = "", text = ""] = line.split(",").map((part) => part.trim())
    const celsius = Number(text)
    if (place === "" || text === "" || Number.isNaN(celsius)) throw new Error(`not a reading: ${line}`)
    return { place, celsius }
  }
}

class Averager extends Stage {
  readonly #sums = new Map<string, { readonly count: number; readonly sum: number }>()

  protected make({ content }: ChannelMessage): Mean {
    const { celsius, place } = content["data"] as unknown as Reading
    const before = this.#sums.get(place) ?? { count: 0, sum: 0 }
    const now = { count: before.count + 1, sum: before.sum + celsius }
    this.#sums.set(place, now)
    return { place, celsius: now.sum / now.count, count: now.count }
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
  const pipeline = new Pipeline({ id: "pipeline" })
  const kernel = await launch({ store: ":memory:", modules: [pipeline] })
  try {
    for (const line of input) await pipeline.writeChannel("lines", line)
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
