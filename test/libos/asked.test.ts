// What a kernel asks of code that runs elsewhere: done once, and what did not happen is told apart from what nobody knows.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeAsked } from "../../libos/client/asked.ts"
import type { Link } from "../../libos/client/link.ts"
import { frameBytesMax } from "../../protocol/frame.ts"
import { emptyManifest, type System } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import { until } from "../kit/network.ts"

type Ask = Parameters<ReturnType<typeof makeAsked>["ask"]>[0]

const world = () => {
  const told: Array<Readonly<Record<string, unknown>>> = []
  let calls = 0
  const system: System = {
    manifest: emptyManifest("mailer"),
    executors: [
      { name: "mail", description: "counts", risk: "low", perform: () => Effect.sync(() => ++calls) },
      { name: "long", description: "gives much", risk: "low", perform: () => Effect.succeed("x".repeat(frameBytesMax)) },
      { name: "not", description: "does nothing", risk: "low", perform: () => Effect.fail({ reason: "not today" }) },
      { name: "breaks", description: "breaks", risk: "low", perform: () => Effect.die(new Error("broken")) }
    ]
  }
  // Of a link only this is used, and of a port nothing.
  const link = { tell: (frame: object) => void told.push(frame as (typeof told)[number]) } as unknown as Link
  const asked = makeAsked(link, (port) => (port === 1 ? ({} as Port) : undefined), (port) => (port === 1 ? system : undefined))
  const ask = async (id: number, executor: string, port = 1): Promise<Readonly<Record<string, unknown>>> => {
    const before = told.length
    asked.ask({ frame: "ask", id, port, what: "perform", executor, call: { warrant: "w", target: "", payload: null } } as unknown as Ask) // a kernel's frame
    await until("it is answered", () => told.length > before)
    return told.at(-1)!
  }
  return { ask, calls: () => calls }
}

describe("an ask of a kernel", () => {
  it("for what is not docked or not served did not happen, and says so", async () => {
    const { ask } = world()
    expect(await ask(1, "mail", 2)).toEqual({ frame: "answer", id: 1, refused: "nothing is docked there" })
    expect(await ask(2, "fax")).toEqual({ frame: "answer", id: 2, refused: "mailer serves no fax" })
    expect(await ask(3, "not")).toEqual({ frame: "answer", id: 3, refused: "not today" })
  })

  it("that broke, or whose result no frame takes, is a fault: nobody knows there what came of it", async () => {
    const { ask } = world()
    expect(await ask(1, "breaks")).toEqual({ frame: "answer", id: 1, fault: "broken" })
    expect(await ask(2, "long")).toMatchObject({ fault: expect.stringContaining("a frame takes") })
  })

  it("is done once, however often it is sent, and answered as it was", async () => {
    const { ask, calls } = world()
    expect([await ask(7, "mail"), await ask(7, "mail"), calls()]).toEqual([{ frame: "answer", id: 7, value: 1 }, { frame: "answer", id: 7, value: 1 }, 1])
  })
})
