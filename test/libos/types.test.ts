// What must not compile does not: these lines are checked by `tsc`, and each expected error that does not come is one.
import { Schema, defineModule } from "aaax"
import { describe, expect, it } from "vitest"
import * as z from "zod"

const Review = Schema.Struct({ diff: Schema.String, verdict: Schema.Literals(["ok", "fix"]) })

describe("a module's types", () => {
  it("know the declared channels, executors and payloads, and nothing else", () => {
    const system = defineModule({
      id: "reviewer",
      provides: [{ name: "own.counts", schema: z.object({ n: z.number() }) }],
      reads: { diffs: "repo.diffs", counts: "own.counts", sized: { channel: "repo.sized", schema: z.object({ size: z.number() }) } },
      writes: { reviews: { channel: "repo.reviews", kind: "review.posted", schema: Review }, counts: "own.counts" },
      takes: { jobs: { channel: "repo.jobs", schema: z.string() } },
      executors: ["github.comment"],
      snapshots: ["own.latest"],
      async run({ act, reads, snapshots, takes, writes }) {
        for await (const event of reads.diffs.subscribe()) {
          await writes.reviews.append({ diff: event.id, verdict: "ok" }, { parents: [event.id] })
          // @ts-expect-error -- a verdict that the schema does not know
          await writes.reviews.append({ diff: event.id, verdict: "perhaps" })
          // @ts-expect-error -- a channel that was not declared
          await writes.review.append({ diff: event.id, verdict: "ok" })
          // @ts-expect-error -- a channel that was not declared
          reads.diff.subscribe()
          // @ts-expect-error -- an executor that was not declared
          await act("github.coment", { target: "PR-7" })
          await act("github.comment", { target: "PR-7", risk: "high" })
          // @ts-expect-error -- a risk that does not exist
          await act("github.comment", { target: "PR-7", risk: "enormous" })
          // @ts-expect-error -- without a schema a payload is unknown
          void event.payload.length
          // @ts-expect-error -- a snapshot that was not declared
          await snapshots.put("own.newest", 1)
          await snapshots.put("own.latest", 1)
        }
        for await (const event of reads.sized.subscribe()) void (event.payload.size satisfies number)
        // A provided channel's schema goes with its name.
        for await (const event of reads.counts.subscribe()) void (event.payload.n satisfies number)
        await writes.counts.append({ n: 1 })
        // @ts-expect-error -- the provided channel's schema wants a number
        await writes.counts.append({ n: "one" })
        await takes.jobs.work(async (job, on) => {
          void (job.payload satisfies string)
          await on.act("github.comment", { target: job.payload })
          // @ts-expect-error -- an executor that was not declared
          await on.act("fs.write", { target: job.payload })
        })
      }
    })
    expect(system.manifest.executors).toEqual(["github.comment"])
  })

  it("refuse every executor to a module that declares none", () => {
    defineModule({
      id: "quiet",
      async run({ act }) {
        // @ts-expect-error -- no executor was declared
        await act("fs.write", { target: "x" })
      }
    })
    expect(defineModule({ id: "quiet" }).run).toBeUndefined()
  })
})
