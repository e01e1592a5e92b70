// Composite systems in another process: the same classes, the same subsystems, the same refusals.
import { BaseSystem, PassthroughChannel, WorkQueueChannel } from "aaax"
import { describe, expect, it } from "vitest"
import { connect } from "../../libos/remote.ts"
import { until } from "../kit/channels.ts"
import { withNetwork, type Network } from "../kit/network.ts"

class Worker extends BaseSystem {
  override async step(): Promise<void> {
    for (const { content, id } of await this.claimChannel("jobs", 5)) {
      await this.writeChannel("results", Number(content["data"]) * 2)
      await this.acknowledgeChannel("jobs", [id])
    }
  }
}

class Team extends BaseSystem {
  readonly worker = new Worker({ id: "team/worker", stepMillis: 1 })
  readonly results: Array<unknown> = []
  override async setup(): Promise<void> {
    await Promise.resolve()
    this.addChannel(new WorkQueueChannel({ id: "jobs" }))
    this.addChannel(new PassthroughChannel({ id: "results" }))
    this.addChannel(new PassthroughChannel({ id: "private" }))
    this.addSubsystem(this.worker, { channels: ["jobs", "results"] })
    await this.subscribeChannel("results", ({ content, senderId }) => this.results.push([senderId, content["data"]]))
  }
}

const withRemote = (body: (world: Network & { readonly remote: Awaited<ReturnType<typeof connect>> }) => Promise<void>): Promise<void> =>
  withNetwork({}, async (network) => {
    const remote = await connect({ url: network.url, token: network.operatorToken })
    try {
      await body({ ...network, remote })
    } finally {
      await remote.close()
    }
  })

const ids = ({ kernel }: Network): ReadonlyArray<string> => kernel.systems().map(({ id }) => id).filter((id) => id.startsWith("team"))

describe("a composite in another process", () => {
  it("is docked with what it owns, each with a port of its own, and goes with it", () =>
    withRemote(async (world) => {
      const team = new Team({ id: "team" })
      const docked = await world.remote.dock(team)
      await until(() => team.state === "RUNNING" && team.worker.state === "RUNNING")
      expect(ids(world)).toEqual(["team", "team/worker"])
      for (const n of [1, 2, 3]) await team.writeChannel("jobs", n)
      await until(() => team.results.length === 3)
      expect(team.results).toEqual([["team/worker", 2], ["team/worker", 4], ["team/worker", 6]])
      await expect(team.worker.readChannel("private")).rejects.toMatchObject({ _tag: "Denied" })
      await docked.undock()
      await until(() => ids(world).length === 0)
      expect([team.state, team.worker.state]).toEqual(["STOPPED", "STOPPED"])
    }), 20_000)

  it("leaves nothing behind when a part of it is refused, and nothing when its owner is taken away", () =>
    withRemote(async (world) => {
      const greedy = new BaseSystem({ id: "team/greedy" })
      greedy.connect({ reads: ["aaax.journal"] })
      const bad = new Team({ id: "team" })
      bad.addSubsystem(greedy)
      await expect(world.remote.dock(bad)).rejects.toMatchObject({ _tag: "DockRefused" })
      await until(() => ids(world).length === 0)
      const team = new Team({ id: "team" })
      await world.remote.dock(team, { waitMillis: 2_000 })
      await until(() => ids(world).length === 2)
      await world.run(world.kernel.undock("team"))
      await until(() => ids(world).length === 0 && team.worker.state === "STOPPED")
    }), 20_000)
})
