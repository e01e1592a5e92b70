// A team in one command: a hub, and workers with the models of this machine. The first that ends ends the others.
import * as Effect from "effect/Effect"
import type { Called } from "../called.ts"
import { Ended, UsageError } from "../failure.ts"
import { err, goOnWithoutReader, json, onErr, out, plain } from "../terminal.ts"
import { makeChildren } from "./children.ts"
import { installedModels, modelServer, teamModels } from "./models.ts"
import { hubUri, teamPlan } from "./team-plan.ts"
import { aborted, untilTold } from "./until-told.ts"

export interface TeamFlags {
  readonly port: number
  readonly workers: boolean
  readonly fastModel?: string
  readonly reasonModel?: string
  readonly prefix: string
  readonly db?: string
  readonly relayLog?: string
  readonly token?: string
}

/** What the hub says on its standard output when it is up. */
const isUp = (line: string): boolean => {
  try {
    const said: unknown = JSON.parse(line)
    return typeof said === "object" && said !== null && "uri" in said
  } catch {
    return false
  }
}

const joining = (port: number): ReadonlyArray<string> => [
  `  join:  aaax listen --uri ${hubUri(port)}`,
  `  ask:   aaax send 'hello, anybody there?' --uri ${hubUri(port)} --wait-seconds 20`,
  "  Ctrl-C ends all of it."
]

export const team = (called: Called, flags: TeamFlags): Effect.Effect<void, UsageError | Ended> =>
  Effect.scoped(Effect.gen(function*() {
    const { db, fastModel, port, prefix, reasonModel, relayLog, token, workers } = flags
    if (port < 1 || port > 65_535) return yield* new UsageError({ reason: `--port ${port} is not a port: 1 to 65535.` })
    goOnWithoutReader()
    const signal = yield* untilTold
    const installed = workers ? yield* Effect.promise(() => installedModels()) : []
    const models = teamModels(installed ?? [], { ...(fastModel === undefined ? {} : { fast: fastModel }), ...(reasonModel === undefined ? {} : { reason: reasonModel }) })
    const [hub, ...members] = teamPlan({
      port, workers, prefix, models, hasModels: installed !== undefined, ...(db === undefined ? {} : { db }), ...(relayLog === undefined ? {} : { relayLog })
    })
    let tellUp: () => void
    const up = new Promise<void>((resolve) => (tellUp = resolve))
    const children = yield* Effect.acquireRelease(
      Effect.sync(() => makeChildren((label, line, isError) => {
        if (label === hub.label && !isError && isUp(line)) return tellUp()
        const text = `${onErr.cyan(`[${plain(label)}]`)} ${plain(line)}`
        // What members say is data; what they say about themselves is not.
        if (isError) err(text)
        else void out(`[${plain(label)}] ${plain(line)}`)
      })),
      (one) => Effect.promise(one.end)
    )
    const start = ({ args, label }: typeof hub, ...more: ReadonlyArray<string>): void => {
      const { pid } = children.start({
        label, command: process.execPath, args: [process.argv[1] ?? "", ...args, ...more], ...(token === undefined ? {} : { env: { SYNAPSE_TOKEN: token } })
      })
      err(onErr.dim(`${label}: pid ${pid ?? "-"}`))
    }
    if (installed === undefined && workers) err(onErr.yellow(`No model server answers at ${modelServer()}: the workers answer by rule.`))
    if (workers && installed?.length === 0 && fastModel === undefined) {
      err(onErr.yellow(plain(`The model server at ${modelServer()} has no models: FAST asks it for ${models.fast}, once it is there (ollama pull ${models.fast}).`)))
    }
    start(hub, "--json")
    const told = aborted(signal).then(() => undefined)
    const isHubUp = yield* Effect.promise(() => Promise.race([up.then(() => true), children.firstEnd.then(() => false), told]))
    if (isHubUp === true) {
      for (const member of members) start(member)
      for (const line of joining(port)) err(onErr.dim(line))
      if (called.json) yield* Effect.promise(() => out(json({ uri: hubUri(port), members: [hub, ...members].map(({ label }) => label) })))
    }
    const first = yield* Effect.promise(() => Promise.race([children.firstEnd, told]))
    if (first === undefined) return
    return yield* new Ended({ code: first.code, reason: `${plain(first.label)} ended, so the team ends.` })
  }))
