// Discovery: services come and go, and a client that knows no name of theirs finds who does what, and through which channel.
import { BaseSystem, DiscoveryChannel, expose, MailboxChannel, WorkQueueChannel, type ServiceDescriptor } from "aaax"
import { launch } from "aaax/kernel"

/** A service of one method: it tells of itself, and takes requests from a queue of its own. */
class Service extends BaseSystem {
  override async setup(): Promise<void> {
    this.addChannel(new WorkQueueChannel({ id: `${this.id}.requests`, visibility: "public" }))
    this.connect({ reads: ["directory"], writes: ["directory", "answers"] })
    await this.announce("directory", 60)
  }

  protected async handle(method: (text: string) => unknown): Promise<void> {
    for (const { content, correlationId, id, senderId } of await this.claimChannel(`${this.id}.requests`, 5)) {
      await this.writeChannel("answers", method(String(content["data"])), { recipientId: senderId, correlationId, parents: [id], key: id })
      await this.acknowledgeChannel(`${this.id}.requests`, [id])
    }
  }
}

class Counter extends Service {
  readonly count = expose("counts words", { text: { type: "string" } })((text: string) => text.split(" ").length)

  override step(): Promise<void> {
    return this.handle(this.count)
  }
}

class Shouter extends Service {
  readonly shout = expose("says it loudly", { text: { type: "string" } })((text: string) => `${text.toUpperCase()}!`)

  override step(): Promise<void> {
    return this.handle(this.shout)
  }
}

class Client extends BaseSystem {
  override setup(): void {
    this.connect({ reads: ["directory", "answers"], writes: ["counter.requests", "shouter.requests"] })
  }

  readonly find = (method: string): Promise<ReadonlyArray<ServiceDescriptor>> => this.directory("directory").findSystems(method)

  /** Asks whoever offers the method, through the channel that it named: of those channels the client sees what it is wired to. */
  async use(method: string, text: string): Promise<unknown> {
    const [service] = await this.find(method)
    if (service === undefined) return `nobody offers ${method}`
    const requests = service.channelsRead.find((name) => name.endsWith(".requests"))
    if (requests === undefined) return `${service.systemId} is not for us`
    return (await this.requestViaChannel(requests, "answers", text, 10))?.content["data"] ?? null
  }
}

class Town extends BaseSystem {
  override setup(): void {
    this.addChannel(new DiscoveryChannel({ id: "directory", visibility: "public" }))
    this.addChannel(new MailboxChannel({ id: "answers" }))
  }
}

export interface Outcome {
  readonly offered: ReadonlyArray<string>
  readonly counted: unknown
  readonly shouted: unknown
  /** After the counter has ended. */
  readonly left: ReadonlyArray<string>
  readonly afterwards: unknown
}

const settled = async (isDone: () => Promise<boolean>): Promise<void> => {
  while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 1))
}

export const main = async (): Promise<Outcome> => {
  const client = new Client({ id: "client" })
  const kernel = await launch({ store: ":memory:", modules: [new Town({ id: "town" }), new Shouter({ id: "shouter", tickRate: 500 })] })
  try {
    const counter = await kernel.dock(new Counter({ id: "counter", tickRate: 500 }))
    await kernel.dock(client)
    const offered = async (): Promise<ReadonlyArray<string>> =>
      (await client.directory("directory").findSystems()).flatMap(({ services }) => services.map(({ name }) => name)).sort()
    await settled(async () => (await offered()).length === 2)
    const before = await offered()
    const [counted, shouted] = await Promise.all([client.use("count", "to be or not to be"), client.use("shout", "hello")])

    // Who is drained takes its word back, and nobody waits for it to expire.
    await counter.drain()
    return { offered: before, counted, shouted, left: await offered(), afterwards: await client.use("count", "more") }
  } finally {
    await kernel.close()
  }
}
