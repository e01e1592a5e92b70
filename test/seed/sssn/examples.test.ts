// The ancestor's five examples, translated, as a reader would run them.
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { main as artifactSnapshot } from "../../../examples/store/artifact-snapshot.ts"
import { main as channelProcessor } from "../../../examples/store/channel-processor.ts"
import { main as firstChannel } from "../../../examples/store/first-channel.ts"
import { main as packageManifest, tail } from "../../../examples/store/package-manifest.ts"
import { main as tacticProcessor } from "../../../examples/store/tactic-processor.ts"
import { LocalStore } from "../../../kernel/store/local.ts"

let folder = ""
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-example-")))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe("[189] an example of the ancestor, translated", () => {
  it("appends to a first channel and reads it back", () => {
    expect(firstChannel(join(folder, ".sssn"))).toEqual([{ celsius: 23 }])
  })

  it("[189] processes a channel: what comes out carries its parent and its correlation, and nothing comes out twice", () => {
    expect(channelProcessor(join(folder, ".sssn")).map(({ correlation_id, id, parent_ids, payload }) => [id, parent_ids, correlation_id, payload])).toEqual([
      ["mean-of-s-1", ["s-1"], "s-1", { mean: 2 }], ["mean-of-s-2", ["s-2"], "run-7", { mean: 4 }]
    ])
  })

  it("keeps a report and a state", () => {
    expect(artifactSnapshot(join(folder, ".sssn"))).toEqual({
      report: "# Run\n\nAll is well.\n", state: { status: "ok", report: expect.any(String) }, problems: []
    })
  })

  it("describes a package, and finds its store by a ref", () => {
    const { channels, manifest } = packageManifest(folder)
    expect(channels).toEqual(["analysis", "raw"])
    expect(manifest).toMatchObject({
      package: { kind: "channel", primary: "channels.raw" },
      channels: { raw: { schema: "raw_event", form: "log", endpoints: [{ method: "GET", path: "/channels/{name}/tail", scope: "channel" }] } },
      runs: { local: { channels: ["raw", "analysis"] } }
    })
  })

  it("offers the newest events, not the oldest, as many as are asked for", async () => {
    const store = new LocalStore(join(folder, "tail"))
    store.createChannel({ name: "raw" })
    store.appendEvents(Array.from({ length: 1_030 }, (_, n) => ({ channel: "raw", payload: n })))
    const request = { store: { queryEvents: async (...args: Parameters<LocalStore["queryEvents"]>) => store.queryEvents(...args) }, params: { name: "raw" }, query: new URLSearchParams("limit=2") }
    const newest = (await tail.handler(request as never)) as ReadonlyArray<{ readonly payload: unknown }>
    expect(newest.map(({ payload }) => payload)).toEqual([1028, 1029])
    store.close()
  })

  it("asks a tactic, and tells what it failed at", async () => {
    const answers = await tacticProcessor(join(folder, ".sssn"))
    expect(answers.map(({ correlation_id, kind, parent_ids, payload }) => [kind, payload, parent_ids, correlation_id])).toEqual([
      ["verdict", { words: 5 }, ["q-1"], "q-1"], ["failure", { reason: "that is no text" }, ["q-2"], "thread-1"]
    ])
  })
})
