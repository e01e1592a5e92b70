// A work queue: each message is held by one worker at a time, until it is acknowledged, given back, or the claim ends.
import { BaseSystem, register, WorkQueueChannel } from "aaax"
import { launch } from "aaax/kernel"

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const jobs = new WorkQueueChannel({ id: "jobs", claimTimeout: 30, attemptsMax: 2 })
  const office = new BaseSystem({ id: "office" })
  office.addChannel(jobs)
  const [ada, ben] = [register("ada"), register("ben")]
  for (const client of [ada, ben]) client.connect("jobs", jobs)
  const kernel = await launch({ store: ":memory:", modules: [office, ada, ben] })
  try {
    for (const job of ["wash", "dry", "iron"]) await jobs.write("office", job)

    // No job is with two workers.
    const adas = await ada.read("jobs", 2, true)
    const bens = await ben.read("jobs", 2, true)
    const [wash, dry] = adas.map(({ id }) => id)

    // Acknowledged: done for good. Given back: the next one gets it.
    const acknowledged = await ada.acknowledge("jobs", [wash ?? ""])
    await ada.nack("jobs", [dry ?? ""], { reason: "the dryer is broken" })
    const again = await ben.read("jobs", 2, true)

    // The second of two attempts fails as well: it goes to the dead letters, with the reason.
    await ben.nack("jobs", [dry ?? ""], { reason: "still broken" })
    const [letter] = await kernel.channels.read("jobs.dead")

    // Only who holds a claim ends it.
    const notMine = await ada.acknowledge("jobs", bens.map(({ id }) => id))
    const refused = await ada.read("jobs").catch((error: Error) => error.message)
    const names = (messages: typeof adas): ReadonlyArray<unknown> => messages.map(({ content }) => content["data"])
    return { ada: names(adas), ben: names(bens), again: names(again), acknowledged, notMine, dead: letter?.payload, refused }
  } finally {
    await kernel.close()
  }
}
