// The quick start of the first generation of semantic channels: a sensor, a monitor, and the station that wires them together,
// in one process, and read from outside over HTTP.
import { BaseSystem, BroadcastChannel, ChannelClient, DiscoveryChannel, expose } from "aaax"
import { launch } from "aaax/kernel"

class Sensor extends BaseSystem {
  #reading = 20

  override async step(): Promise<void> {
    await this.writeChannel("readings", { celsius: this.#reading++ })
  }
}

class Monitor extends BaseSystem {
  readonly seen: Array<number> = []

  readonly average = expose("the mean of all readings")(() => this.seen.reduce((sum, celsius) => sum + celsius, 0) / this.seen.length)

  override async setup(): Promise<void> {
    await this.announce("directory")
    await this.subscribeChannel<{ readonly data: { readonly celsius: number } }>("readings", ({ content }) => this.seen.push(content.data.celsius))
  }
}

class Station extends BaseSystem {
  readonly monitor = new Monitor({ id: "monitor" })

  override setup(): void {
    this.addChannel(new BroadcastChannel({ id: "readings", name: "Readings", visibility: "public" }))
    this.addChannel(new DiscoveryChannel({ id: "directory", visibility: "public" }))
    // Each subsystem has a port of its own, and touches the channels that are named here and no others.
    this.addSubsystem(new Sensor({ id: "sensor", tickRate: 200 }), { channels: ["readings"] })
    this.addSubsystem(this.monitor, { channels: ["readings", "directory"] })
  }
}

export const main = async (): Promise<{ readonly seen: ReadonlyArray<number>; readonly remote: ReadonlyArray<unknown>; readonly found: ReadonlyArray<string> }> => {
  const station = new Station({ id: "station" })
  const kernel = await launch({ store: ":memory:", modules: [station] })
  while (station.monitor.seen.length < 3) await new Promise((resolve) => setTimeout(resolve, 2))

  // From anywhere: with the URL of the channel and a token, and without a change to the systems.
  const { url } = await kernel.publish("127.0.0.1", 0)
  const { token } = await kernel.tokens.mint({ name: "dashboard", role: "read" })
  const dashboard = new ChannelClient("dashboard")
  dashboard.connectRemote("readings", `${url}/channels/readings`, token)
  const remote = (await dashboard.read("readings", 3)).map(({ content, senderId }) => [senderId, content["data"]])

  const found = (await station.directory("directory").findSystems("average")).map(({ systemId }) => systemId)
  await kernel.close()
  return { seen: station.monitor.seen.slice(0, 3), remote, found }
}
