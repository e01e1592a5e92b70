// The directory: one question finds systems that announced themselves and seats that advertised a card.
import { describe, expect, it } from "vitest"
import { BaseSystem } from "../../libos/index.ts"
import { directory } from "../../modules/directory/index.ts"
import { testTime, withKernel } from "../../kernel/testing.ts"
import * as Effect from "effect/Effect"

class Service extends BaseSystem {
  override async setup(): Promise<void> {
    this.connect({ reads: ["directory"], writes: ["directory"] })
  }
}

const card = (seat: string, more: object = {}): object => ({
  card: { seat, description: `${seat} works`, skills: ["typescript"], taskClasses: ["chat"], model: "m-1", meta: {}, at: 0, ...more }
})

describe("the directory", () => {
  it("finds seats by skill and by class of tasks until they go, and systems that announced themselves beside them", () =>
    withKernel({ time: testTime(Date.now()), channels: [{ name: "coordination.presence", durability: "memory" }] }, async (kernel) => {
      const say = (kind: string, payload: unknown): Promise<unknown> =>
        Effect.runPromise(kernel.channels.append(kernel.id, "coordination.presence", [{ kind, payload }]))
      const looking = new Service({ id: "looking" })
      await say("advertised", card("EARLY"))
      await Effect.runPromise(kernel.dock(directory()))
      await Effect.runPromise(kernel.dock(looking))
      const found = async (capability?: string): Promise<ReadonlyArray<string>> =>
        (await looking.directory("directory").findSystems(capability)).map(({ systemId }) => systemId).sort()
      const until = async (ids: ReadonlyArray<string>, capability?: string): Promise<void> => {
        while ((await found(capability)).join() !== ids.join()) await new Promise((resolve) => setTimeout(resolve, 1))
      }
      await until(["EARLY"])
      await say("advertised", card("FAST", { skills: ["typescript", "review"] }))
      await until(["FAST"], "review")
      expect(await found("chat")).toEqual(["EARLY", "FAST"])
      expect(await looking.directory("directory").getSystem("FAST")).toMatchObject({
        description: "FAST works", services: [{ name: "typescript" }, { name: "review" }, { name: "chat", description: "takes tasks of the class chat" }]
      })
      await looking.announce("directory", 60)
      await say("left", { seat: "EARLY" })
      await until(["FAST", "looking"])
      await say("withdrawn", { seat: "FAST" })
      await until(["looking"])
    }))
})
