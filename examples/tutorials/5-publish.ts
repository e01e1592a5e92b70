// The same systems over the network: tokens for those outside, a client in another process, and a system that runs there.
import { BaseSystem, BroadcastChannel, ChannelClient, WorkQueueChannel } from "aaax"
import { connect, createClient } from "aaax/client"
import { launch } from "aaax/kernel"
import { ACLSecurity } from "aaax/security"

/** Who may do what on one channel, changed while it is in use. */
const access = new ACLSecurity({ read: ["dashboard"], write: ["robot"] })

class Station extends BaseSystem {
  override setup(): void {
    this.addChannel(new WorkQueueChannel({ id: "jobs", visibility: "public" }))
    this.addChannel(new BroadcastChannel({ id: "readings", visibility: "public", security: access }))
    this.addChannel(new BroadcastChannel({ id: "diary" }))
  }
}

/** Runs in another process, and is written as if it did not. */
class Robot extends BaseSystem {
  override setup(): void {
    this.connect({ reads: ["jobs"], takes: ["jobs"], writes: ["readings"] })
  }

  override async step(): Promise<void> {
    for (const { content, id } of await this.claimChannel("jobs", 1)) {
      await this.writeChannel("readings", { done: content["data"] }, { parents: [id], key: id })
      await this.acknowledgeChannel("jobs", [id])
    }
  }
}

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const station = new Station({ id: "station" })
  const kernel = await launch({ store: ":memory:", modules: [station] })
  try {
    // The kernel's side: publish it, and let three outsiders in.
    const { url } = await kernel.publish("127.0.0.1", 0)
    const visitor = await kernel.tokens.mint({ name: "dashboard", role: "read", ttlSeconds: 3_600 })
    const boss = await kernel.tokens.mint({ name: "boss", role: "write", channels: ["jobs"] })
    const robot = await kernel.tokens.mint({ name: "robot", role: "write", channels: ["jobs", "readings"], docks: true })

    // A client: channels, events, subscriptions, artifacts and snapshots. It keeps its connections and repeats what is safe to repeat.
    const dashboard = createClient({ url, token: visitor.token })
    const shown = (await dashboard.channels.list()).map(({ name }) => name)

    // A system that runs over there is docked here: same code, same wiring, same refusals.
    const remote = await connect({ url, token: robot.token })
    await remote.dock(new Robot({ id: "robot", tickRate: 500 }))

    // The client of the first Python generation: the URL of one channel.
    const office = new ChannelClient("boss")
    office.connectRemote("jobs", `${url}/channels/jobs`, boss.token)
    for (const job of ["sweep", "mow"]) await office.write("jobs", job)

    const read: Array<unknown> = []
    for await (const { payload, sender } of dashboard.channels.subscribe("readings")) {
      read.push([sender, payload])
      if (read.length === 2) break
    }

    // What a token, or the channel's own list, does not allow is refused with the same class as in-process.
    const refusalOf = (error: Error): string => error.message
    const refused = [
      await dashboard.channels.append("jobs", { payload: "rest" }).then(String, refusalOf),
      await createClient({ url, token: boss.token }).channels.read("readings").then(String, refusalOf),
      await dashboard.channels.read("diary").then(String, refusalOf)
    ]

    // A token ends when it is revoked, at once.
    await kernel.tokens.revoke("dashboard")
    refused.push(await dashboard.channels.list().then(String, refusalOf))
    await remote.close()
    return { shown, read, refused }
  } finally {
    await kernel.close()
  }
}
