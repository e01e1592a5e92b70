// Coordination over the wire: a plan with a dependency, a claim on files, a refused overlap, and a hand-off. Everything runs here, and
// nothing is asked of anybody else: `node examples/run.mjs coordination/main 800` waits 800 ms between the steps, to be watched.
import { SynapseAgent } from "aaax"
import { SynapseHub } from "aaax/kernel"

export const main = async (paceMillis?: string): Promise<ReadonlyArray<string>> => {
  const steps: Array<string> = []
  const step = async (who: string, what: string): Promise<void> => {
    steps.push(`${who} ${what}`)
    if (paceMillis === undefined) return
    console.log(`${who.padEnd(10)} ${what}`)
    await new Promise((resolve) => setTimeout(resolve, Number(paceMillis)))
  }
  const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

  const hub = await new SynapseHub({ port: 0 }).start()
  const [architect, builder] = await Promise.all(["ARCHITECT", "BUILDER"].map((name) => SynapseAgent.connect({ uri: hub.uri, name })))
  if (architect === undefined || builder === undefined) throw new Error("there are two of them")

  // A plan: the API waits for its schema.
  await architect.postTask("schema", "Write the schema")
  await architect.postTask("api", "Build the API", { depends_on: ["schema"] })
  await step("ARCHITECT", `plans; ready: ${(await architect.requestBoard()).board.ready.join(", ")}`)

  // A claim goes with files. Whoever wants some of them meanwhile is told who has them.
  await architect.claim("schema", { paths: ["src/schema"], note: "drafting" })
  await step("ARCHITECT", "claims schema with src/schema")
  await builder.claim("tables", { paths: ["src/schema/tables.sql"] }).then(
    () => step("BUILDER", "claims what is taken"), (error: unknown) => step("BUILDER", `is refused: ${reasonOf(error)}`))

  // Done and released: what waited for it can be begun.
  await architect.updateTask("schema", { status: "done" })
  await architect.release("schema")
  await architect.updateLedgerTask("schema", { status: "done" })
  await step("ARCHITECT", `finishes schema; ready: ${(await architect.requestBoard()).board.ready.join(", ")}`)

  // Handed on without a moment in which nobody holds it, and with the point to resume from.
  await architect.claim("api", { paths: ["src/api"] })
  await architect.saveCheckpoint("api", "routes are listed")
  const handed = await architect.handoff("api", "BUILDER", { note: "tests are missing" })
  await step("ARCHITECT", `hands api to ${handed.owner}`)
  await step("BUILDER", `goes on from "${handed.checkpoint}", epoch ${handed.epoch}`)
  await architect.release("api", { epoch: handed.epoch }).then(
    () => step("ARCHITECT", "releases what it gave away"), (error: unknown) => step("ARCHITECT", `is refused: ${reasonOf(error)}`))
  await builder.release("api", { receipt: { tests: "12 passed" } })
  await step("BUILDER", "releases api, with what it did")

  for (const agent of [architect, builder]) agent.close()
  await hub.stop()
  return steps
}
