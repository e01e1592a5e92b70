// A system of systems: a kitchen with cooks inside a restaurant. Each is wired to what it was given, and found by what it offers.
import { BaseSystem, BroadcastChannel, DiscoveryChannel, expose, WorkQueueChannel } from "aaax"
import { launch } from "aaax/kernel"

class Cook extends BaseSystem {
  readonly cook = expose("cooks a dish", { dish: { type: "string" } })((dish: string) => `${dish}, hot`)

  override async setup(): Promise<void> {
    // Holds for each start: it is found while it is docked, and no longer.
    await this.announce("staff")
  }

  override async step(): Promise<void> {
    for (const { content, id } of await this.claimChannel("orders", 1)) {
      await this.writeChannel("pass", this.cook(String(content["data"])), { parents: [id], key: id })
      await this.acknowledgeChannel("orders", [id])
    }
  }
}

class Kitchen extends BaseSystem {
  override setup(): void {
    // What it was given itself it may hand on.
    for (const id of ["cook-1", "cook-2"]) this.addSubsystem(new Cook({ id, tickRate: 500 }), { channels: ["orders", "pass", "staff"] })
  }
}

class Waiter extends BaseSystem {
  readonly served: Array<unknown> = []

  override async setup(): Promise<void> {
    await this.subscribeChannel("pass", ({ content }) => this.served.push(content["data"]))
  }
}

class Restaurant extends BaseSystem {
  readonly waiter = new Waiter({ id: "waiter" })
  readonly guest = new BaseSystem({ id: "guest" })

  override setup(): void {
    this.addChannel(new WorkQueueChannel({ id: "orders" }))
    this.addChannel(new BroadcastChannel({ id: "pass" }))
    this.addChannel(new DiscoveryChannel({ id: "staff", visibility: "public" }))
    this.addSubsystem(new Kitchen({ id: "kitchen" }), { channels: ["orders", "pass", "staff"] })
    this.addSubsystem(this.waiter, { channels: ["orders", "pass"] })
    this.addSubsystem(this.guest, { channels: ["staff"] })
  }
}

const settled = async (isDone: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 1))
}

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const restaurant = new Restaurant({ id: "restaurant" })
  const kernel = await launch({ store: ":memory:", modules: [restaurant] })
  try {
    const staff = restaurant.guest.directory("staff")
    await settled(async () => (await staff.findSystems("cook")).length === 2)
    const cooks = (await staff.findSystems("cook")).map(({ systemId }) => systemId).sort()

    for (const dish of ["soup", "fish", "cake"]) await restaurant.waiter.writeChannel("orders", dish)
    await settled(() => restaurant.waiter.served.length === 3)

    const docked = kernel.systems().map(({ id, status }) => [id, status])
    // The waiter was not given the directory, and a guest cannot order for himself.
    const refused = await restaurant.guest.writeChannel("orders", "wine").catch((error: Error) => error.message)
    await kernel.undock("restaurant")
    return { cooks, served: [...restaurant.waiter.served].sort(), docked, refused, left: kernel.systems().length, waiter: restaurant.waiter.state }
  } finally {
    await kernel.close()
  }
}
