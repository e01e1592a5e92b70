// Docking from code: a kernel inside your own process, a module docked to it, and the gate answered by a function.
import { defineExecutor, defineModule, Schema } from "aaax"
import { launch } from "aaax/kernel"

const posted: Array<string> = []

/** An effect of one's own. It cannot be taken back, so the kernel asks a human before it happens. */
const comment = defineExecutor({
  name: "github.comment",
  description: "posts a comment on a pull request",
  risk: "irreversible",
  recovery: "none",
  payload: Schema.Struct({ body: Schema.String }),
  perform: async ({ payload, target }) => {
    posted.push(`${target}: ${payload.body}`)
    return { posted: posted.length }
  }
})

const reviewer = defineModule({
  id: "reviewer",
  reads: { diffs: "repo.diffs" },
  writes: { reviews: { channel: "repo.reviews", kind: "review.posted" } },
  provides: [{ name: "repo.reviews" }],
  executors: ["github.comment"],
  async run({ reads, writes }) {
    await reads.diffs.each(async (diff, on) => {
      const verdict = String(diff.payload).includes("TODO") ? "fix" : "ok"
      // Keys are derived from the event: after a crash it is handled again, and neither is done twice.
      await on.append(writes.reviews, { verdict })
      if (verdict === "fix") await on.act("github.comment", { target: diff.subject ?? "", payload: { body: "Finish the TODO" } })
    })
  }
})

export const main = async (): Promise<{ readonly verdict: unknown; readonly posted: ReadonlyArray<string> }> => {
  posted.length = 0
  const kernel = await launch({ id: "demo", store: ":memory:", executors: [comment] })
  await kernel.channels.create("repo.diffs")
  const docked = await kernel.dock(reviewer)
  kernel.gate.on("escalated", (request) => request.approve({ by: "me", reason: "demo" }))
  await kernel.channels.append("repo.diffs", { kind: "diff.opened", subject: "PR-7", payload: "+ // TODO later" })
  let verdict: unknown
  for await (const review of kernel.channels.subscribe("repo.reviews", { limit: 1 })) verdict = review.payload
  while (posted.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await docked.drain({ timeoutMillis: 5_000 })
  await kernel.close()
  return { verdict, posted }
}
