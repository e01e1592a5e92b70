// The hub that the seats come to: a kernel in memory with the coordinator, and the synapse wire on a port of its own. Says where it
// is, and every time that it looks, whom it let go.
import * as Effect from "effect/Effect"
import { makeReception } from "../../../kernel/door/reception.ts"
import { synapse } from "../../../kernel/door/synapse.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"

const time = { wall: () => Date.now(), monotonic: () => performance.now(), advance: () => {}, jump: () => {} }

await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const kernel = yield* makeKernel({ time })
  yield* kernel.dock(coordinator())
  const door = yield* synapse(kernel, { port: 0, open: true, clients: 2_000 })
  const opened = yield* door.listen(yield* makeReception({ kernel, operatorToken: "t".repeat(43), isLoopback: true }))
  process.stdout.write(`${opened?.url ?? ""}\n`)
  process.stdout.on("error", () => process.exit(0))
  process.stdin.on("end", () => process.exit(0)).resume()
  yield* Effect.forever(Effect.andThen(Effect.sleep(200), Effect.sync(() => {
    const hub = door.opened()
    process.stdout.write(`${JSON.stringify({ dropped: hub?.dropped() ?? 0, connections: hub?.connections() ?? 0, outboxBytes: hub?.outboxBytes() ?? 0 })}\n`)
  })))
})))
