// The first system: it brings a channel along, writes one message in each step, and another system reads them.
import { BaseSystem, PassthroughChannel } from "aaax"
import { launch } from "aaax/kernel"

class Greeter extends BaseSystem {
  #greetings = 0

  /** Called once, before it is docked: here it says what it brings along. */
  override setup(): void {
    this.addChannel(new PassthroughChannel({ id: "greetings", description: "Good wishes." }))
  }

  /** Called again and again while it is docked. */
  override async step(): Promise<void> {
    this.#greetings += 1
    await this.writeChannel("greetings", `hello ${this.#greetings}`)
  }
}

class Listener extends BaseSystem {
  readonly heard: Array<unknown> = []

  override setup(): void {
    this.connect({ reads: ["greetings"] })
  }

  override async step(): Promise<void> {
    for (const { content, senderId } of await this.readChannel("greetings")) this.heard.push([senderId, content["data"]])
  }

  /** Resolves when it has heard enough. */
  async until(count: number): Promise<void> {
    while (this.heard.length < count) await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const listener = new Listener({ id: "listener", tickRate: 200 })
  const kernel = await launch({ store: ":memory:", modules: [new Greeter({ id: "greeter", tickRate: 100 }), listener] })
  try {
    await listener.until(3)
    // Nobody writes where nobody wired it: the refusal says what would be allowed.
    const refused = await listener.writeChannel("greetings", "me too").catch((error: Error) => error.message)
    const systems = kernel.systems().map(({ id, status }) => [id, status])
    return { heard: listener.heard.slice(0, 3), refused, systems }
  } finally {
    await kernel.close()
  }
}
