// Work for several workers: each job is with one of them, a job that fails comes again, and one that fails always is set aside.
import { BaseSystem, EventExists, PassthroughChannel, WorkQueueChannel } from "aaax"
import { launch } from "aaax/kernel"

interface Job {
  readonly path: string
  readonly words?: string
}

class Office extends BaseSystem {
  override setup(): void {
    // Three attempts for each job, and a claim that ends by itself when a worker says nothing for 30 seconds.
    this.addChannel(new WorkQueueChannel({ id: "jobs", claimTimeout: 30, attemptsMax: 3 }))
    this.addChannel(new PassthroughChannel({ id: "results" }))
    for (const name of ["anna", "bert", "cleo"]) this.addSubsystem(new Worker({ id: name, tickRate: 500 }), { channels: ["jobs", "results"] })
  }
}

/** Jobs that failed once. */
const tried = new Set<string>()

class Worker extends BaseSystem {
  override async step(): Promise<void> {
    for (const { content, id } of await this.claimChannel<{ readonly data: Job }>("jobs", 2)) {
      const job = content.data
      try {
        const words = count(id, job)
        // An id that follows from the job: whoever does it again, there is one result.
        await this.writeChannel("results", { path: job.path, words, by: this.id }, { parents: [id], id: `result-of-${id}` })
      } catch (error) {
        if (!(error instanceof EventExists)) {
          await this.nackChannel("jobs", [id], { reason: (error as Error).message })
          continue
        }
      }
      await this.acknowledgeChannel("jobs", [id])
    }
  }
}

const count = (id: string, { path, words }: Job): number => {
  if (words === undefined) throw new Error(`${path} has no text`)
  if (path === "flaky.txt" && !tried.has(id)) {
    tried.add(id)
    throw new Error("the disk was busy")
  }
  return words.split(" ").length
}

const jobs: ReadonlyArray<Job> = [
  { path: "flaky.txt", words: "that is the question" },
  { path: "empty.txt" },
  ...Array.from({ length: 16 }, (_, n) => ({ path: `page-${n}.txt`, words: "to be or not to be" }))
]

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const office = new Office({ id: "office" })
  const kernel = await launch({ store: ":memory:", modules: [office] })
  try {
    for (const job of jobs) await office.writeChannel("jobs", job)
    const results = []
    for await (const { payload, parentIds } of kernel.channels.subscribe("results", { limit: 17 })) results.push({ payload, parentIds })
    const dead = []
    for await (const { payload } of kernel.channels.subscribe("jobs.dead", { limit: 1 })) dead.push(payload)
    const open = (await kernel.channels.list()).find(({ name }) => name === "jobs")?.backlog
    return { results, dead, open }
  } finally {
    await kernel.close()
  }
}
