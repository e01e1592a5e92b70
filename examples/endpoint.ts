// An endpoint of one's own beside the portable API: what a queue still has to do, for whoever may read it.
import { endpoint, launch } from "aaax/kernel"

const open = endpoint.get("/queues/{queue}/open", { name: "open_work", scope: "channel", description: "Work that nobody has finished." })(
  async ({ params, store }) => {
    const queue = params["queue"] ?? ""
    const events = await store.queryEvents(queue, { limit: 1_000 })
    const done = new Set(events.filter(({ kind }) => kind === "done").map(({ correlation_id }) => correlation_id))
    return { queue, open: events.filter(({ id, kind }) => kind === "job" && !done.has(id)).map(({ payload }) => payload) }
  }
)

export const main = async (): Promise<unknown> => {
  const kernel = await launch({ store: ":memory:", network: { endpoints: [open] } })
  try {
    await kernel.channels.create("jobs", { form: "queue", visibility: "public" })
    const [first] = await kernel.channels.append("jobs", [{ kind: "job", payload: "wash" }, { kind: "job", payload: "dry" }])
    await kernel.channels.append("jobs", { kind: "done", correlationId: first?.id ?? null })
    const { url } = await kernel.publish("127.0.0.1", 0)
    const { token } = await kernel.tokens.mint({ name: "dashboard", role: "read" })
    const response = await fetch(`${url}/sssn/queues/jobs/open`, { headers: { authorization: `Bearer ${token}` } })
    return await response.json()
  } finally {
    await kernel.close()
  }
}
