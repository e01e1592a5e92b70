// A process that writes until it is killed. It says of each append, once it is acknowledged, what was kept.
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { makeClock } from "../../kernel/clock.ts"
import { prepare } from "../../kernel/store/codec.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import { channelOf } from "../../protocol/channel.ts"

const [, , path = "", callers = "1"] = process.argv

const writer = (store: Effect.Success<ReturnType<typeof Sqlite.make>>, caller: number) =>
  Effect.gen(function*() {
    const channel = channelOf({ name: caller % 2 === 0 ? "strict" : "relaxed", durability: caller % 2 === 0 ? "strict" : "relaxed" }, "kit")
    for (let i = 0; ; i++) {
      const payload = `${caller}/${i}`
      yield* store.append(channel.name, [prepare({ payload }, "kit", channel)], { sender: "kit", key: i % 3 === 0 ? payload : undefined })
      writeSync(1, `${payload}\n`)
    }
  })

await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const store = yield* Sqlite.make({ path, clock: makeClock() })
  yield* store.putChannel(channelOf({ name: "strict" }, "kit"))
  yield* store.putChannel(channelOf({ name: "relaxed", durability: "relaxed" }, "kit"))
  writeSync(1, "open\n")
  yield* Effect.forEach(Array.from({ length: Number(callers) }, (_, at) => at), (at) => writer(store, at), { concurrency: "unbounded" })
})))
