// A discovery channel: who and what is there, for as long as they say so again.
import { BaseSystem, BroadcastChannel, DiscoveryChannel, expose } from "aaax"
import { launch } from "aaax/kernel"

class Planner extends BaseSystem {
  readonly plan = expose("makes a plan", { goal: { type: "string" } })((goal: string) => `a plan for ${goal}`)

  override async setup(): Promise<void> {
    await this.announce("directory")
  }
}

class City extends BaseSystem {
  readonly visitor = new BaseSystem({ id: "visitor" })

  override setup(): void {
    this.addChannel(new BroadcastChannel({ id: "square", visibility: "public" }))
    this.addChannel(new BroadcastChannel({ id: "cellar" }))
    this.addChannel(new DiscoveryChannel({ id: "directory", visibility: "public", registrationTtl: 60 }))
    this.addSubsystem(new Planner({ id: "planner", name: "Planner" }), { channels: ["directory", "cellar"] })
    this.addSubsystem(this.visitor, { channels: ["directory"] })
  }
}

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const city = new City({ id: "city" })
  const kernel = await launch({ store: ":memory:", modules: [city] })
  try {
    const directory = city.visitor.directory("directory")
    while ((await directory.findSystems("plan")).length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    const [planner] = await directory.findSystems("plan")
    const channels = (await directory.findChannels()).map(({ id }) => id)

    // For a second, unless it is taken back earlier.
    await directory.registerChannel({ id: "stall", name: "A stall", description: "", visibility: "public", period: 60 }, 1)
    const stall = await directory.getChannel("stall")
    await directory.deregister("stall")
    return { planner, channels, stall: stall?.name, gone: await directory.getChannel("stall") }
  } finally {
    await kernel.close()
  }
}
