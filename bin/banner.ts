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
  readonly configFile: string | null
  readonly notes: ReadonlyArray<string>
}

export const banner = (kernel: Kernel, facts: BannerFacts): ReadonlyArray<string> => {
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
    row("Gate", plain(status.policy) + (status.waiting > 0 ? onErr.yellow(`; ${status.waiting} waiting: aaax gate`) : "")),
    row("Listens", `${facts.url}  for its operator only; try: aaax status${away}`),
    row("Stop", "Ctrl-C drains and ends it, once more ends it at once; or aaax down"),
    ...facts.notes.map((note) => row("Note", onErr.yellow(note))),
    ""
  ]
}

const progressMillis = 300

/** Shows how far the first survey is, while a person looks; ends when it is done. */
export const surveyProgress = (kernel: Kernel): Effect.Effect<void> =>
  Effect.gen(function*() {
    const tasks = kernel.channels.store.statisticsOf("repo.tasks")
    // Later starts survey what changed: there is nothing to wait for.
    if (tasks === undefined || tasks.head > 0) return
    let shown = false
    while (true) {
      yield* Effect.sleep(progressMillis)
      const view = (yield* kernel.views).find(({ name }) => name === "repo.tasks")
      if (view === undefined || view.backlog === null || view.events === 0) continue
      const done = view.events - view.backlog
      if (view.backlog === 0) {
        if (shown) process.stderr.write(`\r\u001b[K  surveyed ${done} files: aaax snapshot get repo.survey\n`)
        return
      }
      shown = true
      process.stderr.write(`\r\u001b[K  surveying ${done} of ${view.events} files`)
    }
  })
