// What a package says of its channels: their schemas, what is offered beside the usual operations, and how to run it here.
import { endpoint } from "aaax/door/endpoint"
import { channelResource, packageManifest, SSSNResolver } from "aaax/ref"

const pageEvents = 1_000

/** The newest events of a channel, newest last. Mounted with `network: { endpoints: [tail] }`. */
export const tail = endpoint.get("/channels/{name}/tail", {
  name: "channel_tail", scope: "channel", description: "The newest events of a channel.", tags: ["channels"]
})(async ({ params, query, store }) => {
  const newest = []
  for (let after = 0;;) {
    const page = await store.queryEvents(params["name"] ?? "", { afterCursor: after, limit: pageEvents })
    newest.push(...page)
    newest.splice(0, Math.max(0, newest.length - Number(query.get("limit") ?? 20)))
    if (page.length < pageEvents) return newest
    after = page.at(-1)?.cursor ?? after
  }
})

export const manifest = (): Record<string, unknown> =>
  packageManifest({
    org: "demo", name: "semantic-events", version: "0.1.0", primary: "channels.raw", description: "Raw events, and what was made of them.",
    schemas: { raw_event: { entry: "demo.schemas:RawEvent" }, analysis_event: { entry: "demo.schemas:AnalysisEvent" } },
    channels: [
      channelResource({ name: "raw", schema: "raw_event", description: "What producers say.", metadata: { retention: "local" } }, { endpoints: [tail] }),
      channelResource({ name: "analysis", schema: "analysis_event", metadata: { derived_from: "raw" } })
    ],
    runs: { local: { channels: ["raw", "analysis"], description: "Both channels, in a local store." } }
  })

/** The channels of the package in a store of one's own, found by ref. */
export const main = (root: string): { readonly manifest: Record<string, unknown>; readonly channels: ReadonlyArray<string> } => {
  const resolver = new SSSNResolver(root)
  resolver.bind("psi://demo/semantic-events/channels/raw", { store: ".sssn" })
  const store = resolver.localStore("psi://demo/semantic-events/channels/raw")
  try {
    for (const name of ["raw", "analysis"]) store.createChannel({ name })
    return { manifest: manifest(), channels: store.listChannels().map(({ name }) => name) }
  } finally {
    store.close()
  }
}
