// What `launch` says when everything is live, and the progress of a first survey.
import * as Effect from "effect/Effect"
import type { Kernel } from "../kernel/kernel.ts"
import type { SystemView } from "../protocol/view.ts"
import { onErr, plain } from "./terminal.ts"

const marks: Readonly<Partial<Record<SystemView["status"], string>>> = { failed: "✗", quarantined: "✗", revoked: "✗", paused: "‖" }

const docked = ({ id, status }: SystemView): string => {
  const mark = marks[status]
  const text = `${plain(id)} ${mark ?? "✓"} ${status}`
  return mark === undefined ? text : onErr.red(text)
}

export interface BannerFacts {
  readonly version: string
  readonly readyMillis: number
  readonly url: string
  /** Where it is published, when it is. */
  readonly published: string | undefined
  /** The port of the synapse wire, when it has one. */
  readonly synapse?: { readonly url: string; readonly open: boolean } | undefined
  readonly configFile: string | null
  readonly notes: ReadonlyArray<string>
}

export const banner = (kernel: Pick<Kernel, "status" | "systems">, facts: BannerFacts): ReadonlyArray<string> => {
  const status = kernel.status()
  const row = (name: string, text: string): string => `  ${onErr.bold(name.padEnd(8))} ${text}`
  const systems = kernel.systems().filter(({ framework }) => framework !== "door")
  const away = status.directory === process.cwd() ? "" : ` --dir ${status.directory}`
  return [
    "",
    `  ${onErr.bold(`AAAX ${facts.version}`)}  ready in ${Math.round(facts.readyMillis)} ms`,
    "",
    row("Folder", plain(status.directory)),
    row("Config", facts.configFile === null ? "none: the default constellation surveys this folder" : plain(facts.configFile)),
    row("Store", `${status.store.path === null ? "" : `${plain(status.store.path)}: durable, `}${status.store.durability}; ${status.store.events} events`),
    row("Docked", systems.length === 0 ? "nothing yet" : systems.map(docked).join("   ")),
    row("Gate", plain(status.policy) + (status.waiting > 0 ? onErr.yellow(`; ${status.waiting} waiting: aaax gate`) : "") +
      (status.unknown > 0 ? onErr.yellow(`; ${status.unknown} whose outcome nobody knows: aaax gate ls --state unknown`) : "")),
    ...(facts.published === undefined ? [] : [row("Open at", `${facts.published}  for whoever has a token: aaax token mint${away}; what there is: ${facts.published}/docs`)]),
    ...(facts.synapse === undefined ? [] : [row("Synapse", facts.synapse.open
      ? `${facts.synapse.url}  ${onErr.yellow("OPEN: whoever reaches it on this machine takes part in coordination under any free name, and in nothing else")}`
      : `${facts.synapse.url}  for whoever has a token`)]),
    row("Listens", `${facts.url}  for its operator${facts.published === undefined ? " only" : ""}; try: aaax status${away}`),
    row("Stop", "Ctrl-C drains and ends it, once more ends it at once; or aaax down"),
    ...status.policyNotes.map((note) => row("Policy", onErr.yellow(plain(note)))),
    ...facts.notes.map((note) => row("Note", onErr.yellow(note))),
    ""
  ]
}

const progressMillis = 100
/** Polls without news after which the first survey is over. */
const settledPolls = 5

/** Shows how far the first survey is, while a person looks; ends when it is done. */
export const surveyProgress = (kernel: Kernel): Effect.Effect<void> =>
  Effect.gen(function*() {
    const eventsOf = (channel: string): number | undefined => kernel.channels.store.statisticsOf(channel)?.events
    // Later starts survey what changed: there is nothing to wait for.
    if (eventsOf("repo.facts") !== 0) return
    let settled = 0
    for (let shown = ""; settled < settledPolls; ) {
      yield* Effect.sleep(progressMillis)
      const files = eventsOf("repo.files") ?? 0
      const done = eventsOf("repo.facts") ?? 0
      if (files === 0) continue
      settled = done >= files ? settled + 1 : 0
      const line = `  surveying ${done} of ${files} files`
      if (line !== shown) process.stderr.write(`\r\u001b[K${line}`)
      shown = line
    }
    process.stderr.write(`\r\u001b[K  surveyed ${eventsOf("repo.facts")} files: aaax snapshot get repo.survey\n`)
  })
