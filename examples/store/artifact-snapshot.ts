// A report and a state: bytes that belong to an event, and the newest value with the event that it comes from.
import { LocalStore } from "aaax/store/local"

export const main = (root = ".sssn"): { readonly report: string; readonly state: unknown; readonly problems: ReadonlyArray<string> } => {
  const store = new LocalStore(root)
  try {
    store.createChannel({ name: "runs", form: "artifact-index" })
    const run = store.appendEvent({ channel: "runs", kind: "finished", payload: { status: "ok", seconds: 3 } })
    const report = store.writeArtifact(new TextEncoder().encode("# Run\n\nAll is well.\n"), {
      channel: "runs", media_type: "text/markdown", metadata: { title: "Run" }, event_ids: [run.id]
    })
    const before = store.putSnapshot({ name: "latest-run", channel: "runs", value: { status: "running" } })
    // Only on what was read: whoever was slower is told so.
    store.putSnapshot(
      { name: "latest-run", channel: "runs", value: { status: "ok", report: report.id }, source_event_id: run.id }, { expected: before })
    const { value } = store.getSnapshot("latest-run")
    return { report: new TextDecoder().decode(store.readArtifact(report.id)), state: value, problems: store.verify() }
  } finally {
    store.close()
  }
}
