// A broadcast channel: every reader and every subscriber gets every message, and nobody can claim one.
import { BaseSystem, BroadcastChannel, register } from "aaax"
import { launch } from "aaax/kernel"

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const news = new BroadcastChannel({ id: "news", visibility: "public" })
  const station = new BaseSystem({ id: "station" })
  station.addChannel(news)
  const [early, late] = [register("early"), register("late")]
  for (const client of [early, late]) client.connect("news", news)
  const kernel = await launch({ store: ":memory:", modules: [station, early, late] })
  try {
    const heard = new Map<string, Array<unknown>>([["early", []], ["late", []]])
    await early.subscribe("news", ({ content }) => heard.get("early")?.push(content["data"]))
    await news.write("station", "rain")

    // Who comes late reads what was said, and subscribes behind it: nothing twice, nothing missed.
    const history = (await late.read("news", 100)).map(({ content }) => content["data"])
    await late.subscribe("news", ({ content }) => heard.get("late")?.push(content["data"]), { from: "read" })
    await news.write("station", "sun")

    const refused = await late.read("news", 1, true).catch((error: Error) => error.message)
    while ([...heard.values()].some((said) => !said.includes("sun"))) await new Promise((resolve) => setTimeout(resolve, 1))
    return { history, heard: Object.fromEntries(heard), refused }
  } finally {
    await kernel.close()
  }
}
