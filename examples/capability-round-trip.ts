// The round trip of the tutorial: ask for a capability, read the grant from the replies, act with its token, read the
// approval and the receipt. With `policy = "default"`, the ancestor's own rule table.
import { BaseSystem, defineExecutor } from "aaax"
import { launch } from "aaax/kernel"

/** What the tutorial calls the executor, as a small executor. */
const research = defineExecutor({
  name: "executor:web-research",
  description: "looks something up",
  risk: "low",
  recovery: "idempotent",
  perform: ({ target }) => ({ findings: [`nothing is known about ${target} yet`] })
})

class Analyst extends BaseSystem {
  readonly transcript: Array<string> = []
  done = false

  constructor() {
    super({ id: "analyst", name: "Analyst", stepMillis: 1 })
  }

  override async step(): Promise<void> {
    if (this.done) return
    const grant = await this.requestCapability("executor:web-research", "execute", { scope: { ttl: 600 } })
    const acted = await this.requestAction({
      action: "search", executor: "executor:web-research", target: "exokernels", payload: { depth: 1 }, riskLevel: "low",
      capability: grant.token, key: "first-search"
    })
    const replies = await this.channel("aaax.kernel-replies").read({ limit: 100 })
    this.transcript.push(...replies.events.map((reply) => reply.kind), JSON.stringify(acted.result))
    this.done = true
  }
}

export const main = async (): Promise<ReadonlyArray<string>> => {
  const kernel = await launch({ id: "tutorial", store: ":memory:", policy: "default", executors: [research] })
  const analyst = new Analyst()
  await kernel.dock(analyst)
  while (!analyst.done) await new Promise((resolve) => setTimeout(resolve, 5))
  await kernel.close()
  return analyst.transcript
}
