// What a package says of its channels: their schemas, what is offered beside the usual operations, and how to run it here.
import { channelResource, endpoint, packageManifest, SSSNResolver } from "aaax/ref"
import type { LocalStore } from "aaax/store/local"

/** The newest events of a channel, newest last. */
export const tail = endpoint.get("/channels/{name}/tail", {
  name: "channel_tail", scope: "channel", description: "The newest events of a channel.", tags: ["channels"]
})(({ params, query, store }) => {
  const local = store as LocalStore // served in front of one
  const all = local.queryEvents(params["name"] ?? "", { limit: 100_000 })
  return all.slice(-Number(query["limit"] ?? 20))
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
