// Discovery of the first generation: who and what is there, for as long as they say so.
import { BaseSystem, DiscoveryChannel, expose, PassthroughChannel, type ChannelInfo, type Directory, type ServiceDescriptor } from "aaax"
import { describe, expect, it } from "vitest"
import { until, withChannels, type ChannelWorld } from "../../kit/channels.ts"

const info = (id: string, more: Partial<ChannelInfo> = {}): ChannelInfo =>
  ({ id, name: id, description: "", visibility: "public", period: 60, ...more })

const descriptor = (systemId: string, ...services: ReadonlyArray<string>): ServiceDescriptor => ({
  systemId, systemName: systemId, description: "", services: services.map((name) => ({ name, description: "", parameters: {} })),
  channelsRead: [], channelsWrite: []
})

/** A system that may read and write these channels, and looks into the first. */
const docked = async ({ dock }: ChannelWorld, id: string, channels: ReadonlyArray<string>): Promise<BaseSystem & { readonly look: Directory }> => {
  const system = new BaseSystem({ id })
  system.connect({ reads: channels, writes: channels })
  await dock(system)
  await until(() => system.state === "RUNNING")
  return Object.assign(system, { look: system.directory(channels[0]!) })
}

class Planner extends BaseSystem {
  readonly plan = expose("makes a plan", { goal: { type: "string" } })((goal: string) => `plan for ${goal}`)
  readonly secret = (): string => "nobody asked"
}

describe("a discovery channel", () => {
  it("[74] [6] finds a channel that was registered, by its id and in the list, as it describes itself", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    await withChannels([registry], async () => {
      const own = info("feed", { name: "Feed", description: "all of it", period: 5 })
      await registry.registerChannel(own)
      expect(await registry.getChannel("feed")).toEqual(own)
      expect(await registry.findChannels()).toEqual([own])
      expect(await registry.getChannel("other")).toBeNull()
      expect(JSON.parse(JSON.stringify(own))).toMatchObject({ visibility: "public" })
    })
  })

  it("[75] finds public or private channels, and shows private ones to nobody who is not wired to them", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    const hidden = new PassthroughChannel({ id: "hidden" })
    await withChannels([registry, hidden], async (world) => {
      await registry.registerChannel(info("open"))
      await registry.registerChannel(info("hidden", { visibility: "private" }))
      expect((await registry.findChannels("public")).map(({ id }) => id)).toEqual(["open"])
      expect((await registry.findChannels("private")).map(({ id }) => id)).toEqual(["hidden"])
      const wired = await docked(world, "wired", ["registry", "hidden"])
      const stranger = await docked(world, "stranger", ["registry"])
      expect((await wired.look.findChannels()).map(({ id }) => id)).toEqual(["open", "hidden"])
      expect((await stranger.look.findChannels()).map(({ id }) => id)).toEqual(["open"])
      expect(await stranger.look.getChannel("hidden")).toBeNull()
    })
  })

  it("[76] [119] finds systems by a method that they expose, and nothing for another name", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    await withChannels([registry], async ({ dock }) => {
      const planner = new Planner({ id: "planner", name: "Planner", description: "plans" })
      planner.connect({ reads: ["registry"], writes: ["registry"] })
      await dock(planner)
      await until(() => planner.state === "RUNNING")
      await planner.announce("registry")
      expect((await registry.findSystems("plan")).map(({ systemId }) => systemId)).toEqual(["planner"])
      expect((await registry.findSystems("plan"))[0]?.services).toEqual([{ name: "plan", description: "makes a plan", parameters: { goal: { type: "string" } } }])
      for (const other of ["secret", "pla", ""]) expect(await registry.findSystems(other)).toEqual([])
    })
  })

  it("[77] [W11] never finds what has expired, and removes it", async () => {
    const registry = new DiscoveryChannel({ id: "registry", maintenanceIntervalSeconds: 0.005 })
    await withChannels([registry], async ({ kernel }) => {
      await registry.registerChannel(info("stays"))
      await registry.registerChannel(info("goes"), 0)
      await registry.registerSystem(descriptor("gone", "plan"), -1)
      expect((await registry.findChannels()).map(({ id }) => id)).toEqual(["stays"])
      expect([await registry.getChannel("goes"), await registry.getSystem("gone"), await registry.findSystems("plan")]).toEqual([null, null, []])
      await until(async () => (await registry.getLatest(10)).length === 1)
      expect(kernel.channels.get("registry")?.delivery).toBe("latest")
    })
  })

  it("[78] [W11] replaces a registration by the next one of the same sender, which counts, and keeps one of them", async () => {
    const registry = new DiscoveryChannel({ id: "registry", maintenanceIntervalSeconds: 0.005 })
    await withChannels([registry], async () => {
      for (let n = 1; n <= 5; n++) await registry.registerChannel(info("feed", { description: `version ${n}` }))
      await registry.registerSystem(descriptor("s", "old"))
      await registry.registerSystem(descriptor("s", "new"))
      expect(await registry.findChannels()).toEqual([info("feed", { description: "version 5" })])
      expect((await registry.getChannel("feed"))?.description).toBe("version 5")
      expect((await registry.findSystems()).map(({ services }) => services.map(({ name }) => name))).toEqual([["new"]])
      await until(async () => (await registry.getLatest(10)).length === 2)
    })
  })

  it("[79] [W11] shows a system that announces itself, takes plain descriptions, and forgets who takes it back or ends", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    await withChannels([registry], async (world) => {
      const one = await docked(world, "one", ["registry"])
      await one.announce("registry")
      expect(await registry.getSystem("one")).toMatchObject({ systemId: "one", systemName: "one" })
      await registry.registerSystem({ systemId: "outside", systemName: "Elsewhere", description: "", services: [], channelsRead: [], channelsWrite: [] })
      expect((await registry.findSystems()).map(({ systemId }) => systemId)).toEqual(["one", "outside"])
      await registry.deregister("outside")
      await one.drain()
      expect(await registry.findSystems()).toEqual([])
    })
  })

  it("says again who is there before it expires", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    await withChannels([registry], async (world) => {
      const one = await docked(world, "one", ["registry"])
      await one.announce("registry", 0.02)
      await until(async () => (await registry.getLatest(10)).length >= 3)
      expect(await registry.getSystem("one")).not.toBeNull()
    })
  })

  it("[W16] believes nobody who speaks for another system but the one who provides it", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    await withChannels([registry], async (world) => {
      const [honest, mallory] = [await docked(world, "honest", ["registry"]), await docked(world, "mallory", ["registry"])]
      await honest.announce("registry")
      await mallory.look.registerSystem(descriptor("honest", "steal"))
      expect(await registry.findSystems("steal")).toEqual([])
      expect(await registry.getSystem("honest")).toMatchObject({ services: [] })
      await mallory.look.deregister("honest")
      expect(await registry.getSystem("honest")).not.toBeNull()
      // The provider's word about a channel counts more than that of others.
      await registry.registerChannel(info("bank", { description: "the real one" }))
      await mallory.look.registerChannel(info("bank", { description: "send it here" }))
      expect((await honest.look.getChannel("bank"))?.description).toBe("the real one")
    })
  })

  it("tells of a system's channels only those that the one who asks is wired to", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    const ledger = new PassthroughChannel({ id: "ledger" })
    await withChannels([registry, ledger], async (world) => {
      await (await docked(world, "clerk", ["registry", "ledger"])).announce("registry")
      const stranger = await docked(world, "stranger", ["registry"])
      expect((await registry.getSystem("clerk"))?.channelsRead).toContain("ledger")
      expect(await stranger.look.getSystem("clerk")).toMatchObject({ channelsRead: ["registry"], channelsWrite: ["registry"] })
    })
  })

  it("refuses an exclusive read", async () => {
    const registry = new DiscoveryChannel({ id: "registry" })
    await withChannels([registry], async () => {
      await expect(registry.read("owner", 1, true)).rejects.toMatchObject({ _tag: "WrongDelivery" })
    })
  })

  it("[80] of a system tells exactly of its PUBLIC channels and those of its subsystems, itself included", async () => {
    class Inner extends BaseSystem {
      override setup(): void {
        this.addChannel(new PassthroughChannel({ id: "inner.public", visibility: "public" }))
        this.addChannel(new PassthroughChannel({ id: "inner.private" }))
      }
    }
    class Outer extends BaseSystem {
      readonly registry = new DiscoveryChannel({ id: "names", visibility: "public" })
      override setup(): void {
        this.addChannel(new PassthroughChannel({ id: "outer.public", name: "Outer", visibility: "public", period: 7 }))
        this.addChannel({ name: "outer.log", visibility: "public" })
        this.addChannel(new PassthroughChannel({ id: "outer.private" }))
        this.addChannel(this.registry)
        this.addSubsystem(new Inner({ id: "inner" }))
      }
    }
    await withChannels([], async ({ dock }) => {
      const outer = new Outer({ id: "outer" })
      await dock(outer)
      await until(async () => outer.registry.isRunning && (await outer.registry.findChannels()).length === 4)
      expect((await outer.registry.findChannels("public")).map(({ id }) => id).sort()).toEqual(["inner.public", "names", "outer.log", "outer.public"])
      expect(await outer.registry.getChannel("outer.public")).toMatchObject({ name: "Outer", visibility: "public", period: 7 })
    })
  })
})
