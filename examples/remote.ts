// A kernel, and two who reach it over the network alone: a client, and a module that runs in another process. Here both are
// in this one; they know nothing but the address and a token.
import { createClient } from "aaax/client"
import { defineModule } from "aaax"
import { launch } from "aaax/kernel"

/** A module like any other: whether it runs in the kernel's process or elsewhere is not its concern. */
const shouter = defineModule({
  id: "shouter",
  takes: { jobs: "texts" },
  provides: [{ name: "shouter.loud", visibility: "public" }],
  writes: { loud: "shouter.loud" },
  run: ({ takes, writes }) => takes.jobs.work((job, on) => on.append(writes.loud, String(job.payload).toUpperCase()))
})

export const main = async (): Promise<ReadonlyArray<unknown>> => {
  const kernel = await launch({ id: "demo", store: ":memory:" })
  await kernel.channels.create("texts", { form: "queue", visibility: "public" })
  const { url } = await kernel.publish("127.0.0.1", 0)

  // In another process: `aaax token mint shouter --role admin --system` gives the token.
  const forShouter = await kernel.tokens.mint({ name: "shouter", role: "admin", docks: true })
  const remote = await createClient({ url, token: forShouter.token }).connect()
  await remote.dock(shouter)

  // In a third one: `aaax token mint writer --role write`.
  const forWriter = await kernel.tokens.mint({ name: "writer", role: "write" })
  const client = createClient({ url, token: forWriter.token })
  await client.channels.append("texts", [{ payload: "hello" }, { payload: "over there" }])
  const heard: Array<unknown> = []
  for await (const { payload, sender } of client.channels.subscribe("shouter.loud")) {
    heard.push([sender, payload])
    if (heard.length === 2) break
  }
  await remote.close()
  await kernel.close()
  return heard
}
