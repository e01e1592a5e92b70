// A hub of its own: the coordinator and the synapse wire, until it is told to end.
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { isLoopback } from "../../kernel/door/names.ts"
import type { DoorError } from "../../kernel/door/door.ts"
import type { LaunchError } from "../../kernel/launch.ts"
import { relayFile } from "../../kernel/power/relay-file.ts"
import { SynapseHub } from "../../kernel/synapse-hub.ts"
import type { System } from "../../protocol/manifest.ts"
import { bundled } from "../bundled.ts"
import type { Called } from "../called.ts"
import { UsageError } from "../failure.ts"
import { err, goOnWithoutReader, json, onErr, out } from "../terminal.ts"
import { aborted, untilTold } from "./until-told.ts"

export interface HubFlags {
  readonly host: string
  readonly port: number
  readonly db?: string
  readonly rate: number
  readonly burst: number
  readonly maxHistory: number
  readonly relayLog?: string
  readonly relayMaxLines: number
  readonly relayLite: boolean
  readonly token?: string
  readonly exposed: boolean
  readonly hosts: ReadonlyArray<string>
  readonly origins: ReadonlyArray<string>
  readonly acceptLoss: boolean
}

/** What a coordinator keeps at most. */
const historyMost = 10_000

const nameOf = (host: string): string => (host === "localhost" ? "127.0.0.1" : host)

/** As a browser sends it: a scheme, a host, and a port where it is not the scheme's own. */
const isOrigin = (text: string): boolean => /^https?:/u.test(text) && URL.canParse(text) && new URL(text).origin === text.toLowerCase()

const refusalOf = ({ burst, exposed, host, maxHistory, origins, port, rate }: HubFlags, token: string | undefined): string | undefined => {
  if (host === "" || /[\s/\\]/u.test(host)) return "hub --host must be a host without white space and slashes."
  if (port < 0 || port > 65_535) return `--port ${port} is not a port: 0 to 65535.`
  if (!(rate >= 0)) return `--rate ${rate} is no number of messages per second.`
  if (burst < 1) return "--burst is 1 at least."
  if (maxHistory < 1 || maxHistory > historyMost) return `--max-history is from 1 to ${historyMost}.`
  const stray = origins.find((origin) => !isOrigin(origin))
  if (stray !== undefined) return `--allow-origin ${stray} is no origin of pages: scheme, host and port and nothing else, such as http://localhost:5173.`
  if (isLoopback(nameOf(host)) || exposed) return undefined
  return token === undefined
    ? `Other machines could reach ${host}, and whoever does could take part under any name: give --token, or 127.0.0.1. --allow-network serves it all the same, for networks that are trusted.`
    : `Other machines could reach ${host}, and the token would go there in the clear. --allow-network serves it all the same, for networks that are trusted, such as that of a container; TLS is served by a constellation (network.synapse and network.tls of its config).`
}

const started = (hub: SynapseHub): Effect.Effect<SynapseHub, LaunchError | DoorError> =>
  // What starting rejects with is one of these; anything else is a fault of ours and stays one.
  Effect.tryPromise({ try: () => hub.start(), catch: (error) => error as LaunchError | DoorError })

const notesOf = ({ db, exposed, host, hosts, origins, relayLog }: HubFlags, token: string | undefined): ReadonlyArray<string> => [
  db === undefined ? "In memory: everything is gone with it. --db FILE keeps it." : `Kept in ${db}.`,
  ...(relayLog === undefined ? [] : [`Mirrored to ${relayLog}: aaax relay ${relayLog}`]),
  ...(token === undefined ? ["OPEN: whoever reaches it takes part under any free name. --token asks for one."] : []),
  ...(origins.length === 0 ? [] : [`Pages of ${origins.join(", ")} may connect.`]),
  ...(exposed && !isLoopback(nameOf(host)) 
    ? [
        "OTHER MACHINES REACH IT, in the clear (--allow-network).",
        `Clients call it by ${[...new Set(["localhost", "127.0.0.1", ...(host === "0.0.0.0" || host === "::" ? [] : [host]), ...hosts])].join(", ")}; by any other name or address with --allow-host.`
      ]
    : [])
]

/** What mirrors a hub to a file. The file is there before the first line is, or the hub does not start. */
const mirrorTo = Effect.fnUntraced(function*(
  path: string, linesMax: number, form: "lite" | "lossless"
): Effect.fn.Return<(id: string) => System, UsageError, Scope> {
  const sink = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const made = relayFile({ path, linesMax })
        await made.append([])
        return made
      },
      catch: (error) => new UsageError({ reason: `--relay-log ${path} cannot be written: ${error instanceof Error ? error.message : String(error)}` })
    }),
    (one) => Effect.promise(() => one.close())
  )
  const { relay } = yield* Effect.promise(() => import("aaax/modules/relay"))
  return (id) => relay({ sink, hub: id, form })
})

export const hub = (called: Called, flags: HubFlags): Effect.Effect<void, UsageError | LaunchError | DoorError> =>
  Effect.scoped(Effect.gen(function*() {
    const { acceptLoss, burst, db, exposed, host, hosts, maxHistory, origins, port, rate, relayLite, relayLog, relayMaxLines } = flags
    const [token] = [flags.token, process.env["SYNAPSE_TOKEN"]].flatMap((text) => (text === undefined || text.trim() === "" ? [] : [text.trim()]))
    // A token that was given and is empty would let everybody in who was meant to be kept out.
    const refusal = flags.token?.trim() === "" ? "--token is empty." : refusalOf(flags, token)
    if (refusal !== undefined) return yield* new UsageError({ reason: refusal })
    goOnWithoutReader()
    const signal = yield* untilTold
    const { default: coordinator } = yield* Effect.promise(() => bundled("aaax/modules/coordinator"))
    const mirror = relayLog === undefined ? undefined : yield* mirrorTo(relayLog, relayMaxLines, relayLite ? "lite" : "lossless")
    const running = yield* Effect.acquireRelease(
      started(new SynapseHub({
        host, port, directory: called.directory, exposed, hosts, origins, rate, burst, acceptLoss, tokens: token === undefined ? [] : [token], ...(db === undefined ? {} : { db }),
        coordinator: (coordinator as (settings: object) => System)({ anywhere: true, historyMax: maxHistory }), // what every bundled module is
        ...(mirror === undefined ? {} : { beside: (id) => [mirror(id)] })
      })),
      (one) => Effect.promise(() => one.stop())
    )
    const { port: at, uri } = running
    err(`${onErr.bold("Synapse hub")} at ${uri}`)
    for (const note of notesOf(flags, token)) err(/^[A-Z]{4}/u.test(note) ? onErr.yellow(note) : onErr.dim(note))
    if (called.json) yield* Effect.promise(() => out(json({ uri, port: at, pid: process.pid, hub: running.id })))
    yield* Effect.promise(() => aborted(signal))
    err("Hub stopped by user.")
  }))
