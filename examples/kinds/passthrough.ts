// A passthrough channel: what is written is a message at once. Each reader has a cursor of its own, and workers may claim.
import { BaseSystem, PassthroughChannel, register } from "aaax"
import { launch } from "aaax/kernel"

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const notes = new PassthroughChannel({ id: "notes", retentionMaxCount: 10_000 })
  const desk = new BaseSystem({ id: "desk" })
  desk.addChannel(notes)
  const [ada, ben] = [register("ada"), register("ben")]
  for (const client of [ada, ben]) client.connect("notes", notes)
  const kernel = await launch({ store: ":memory:", modules: [desk, ada, ben] })
  try {
    for (const note of ["milk", "bread", "salt"]) await ada.write("notes", note)

    // Ben reads on from where he was. A claim takes what nobody holds, from the oldest on.
    const first = (await ben.read("notes", 1)).map(({ content, senderId }) => [senderId, content["data"]])
    const claimed = await ada.read("notes", 2, true)
    const whileHeld = (await ben.read("notes")).map(({ content }) => content["data"])

    // What is given back comes to the readers that had passed it; what is acknowledged comes to nobody.
    const [milk, bread] = claimed.map(({ id }) => id)
    await ada.acknowledge("notes", [milk ?? ""])
    await ada.nack("notes", [bread ?? ""])
    const givenBack = (await ben.read("notes")).map(({ content }) => content["data"])

    // The log still has all of it, newest first.
    const kept = (await notes.getLatest(10)).map(({ content }) => content["data"])
    return { first, claimed: claimed.map(({ content }) => content["data"]), whileHeld, givenBack, kept }
  } finally {
    await kernel.close()
  }
}
