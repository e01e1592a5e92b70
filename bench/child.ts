// The process that a bench row kills, and the one that comes back after it.
//
//   child.mjs write DIR EVENTS BATCH    appends through a port, says `written` once all is acknowledged, and waits
//   child.mjs http                      is the clients of an HTTP listener (http-client.ts)
//   child.mjs socket                    is the clients of a WebSocket door (socket-client.ts)
//   child.mjs synapse                   is the clients of the synapse wire (synapse-client.ts)
//   child.mjs claims DIR ENTRIES        keeps so many entries of claims, says `written`, and waits
//   child.mjs claims-again DIR          opens what was left and asks what is claimed; says the same as `restart`
//   child.mjs restart DIR EVENTS        opens what was left, says how long that took and how much memory, and dies the same way
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import { restartClaims, writeClaims } from "./claim-child.ts"
import { serve } from "./http-client.ts"
import { batchOf, drafts } from "./payload.ts"
import { serveSockets } from "./socket-client.ts"
import { serveSynapse } from "./synapse-client.ts"
import { dock, makeWorld } from "./world.ts"

/** What a process says that came back; times since it was started. */
export interface Returned {
  readonly readyMillis: number
  readonly openMillis: number
  readonly cpuSeconds: number
  readonly peakBytes: number
  readonly steadyBytes: number
  /** Messages that were there. */
  readonly events: number
  /** Of them there are so many still, where old ones are let go. */
  readonly kept: number
}

const write = Effect.fnUntraced(function*(directory: string, events: number, size: number) {
  const kernel = yield* makeWorld({ directory })
  const port = yield* dock(kernel, "bench-writer", { provides: [{ name: "events", durability: "relaxed" }] })
  const batch = batchOf(size)
  for (let at = 0; at < events; at += size) yield* port.append("events", size === 1 ? [drafts[at % drafts.length]!] : batch)
  writeSync(1, "written\n")
  return yield* Effect.never
})

const restart = Effect.fnUntraced(function*(directory: string) {
  const began = performance.now()
  const kernel = yield* makeWorld({ directory, launch: false })
  const readyMillis = performance.now()
  const { system, user } = process.cpuUsage()
  const peakBytes = process.resourceUsage().maxRSS * 1_024
  const { gc } = globalThis as { readonly gc?: () => void } // present with --expose-gc
  gc?.()
  yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 300)))
  gc?.()
  const returned: Returned = {
    readyMillis, openMillis: readyMillis - began, cpuSeconds: (user + system) / 1e6, peakBytes, steadyBytes: process.memoryUsage().rss,
    events: kernel.channels.store.statisticsOf("events")?.events ?? 0, kept: kernel.channels.store.statisticsOf("events")?.events ?? 0
  }
  writeSync(1, `${JSON.stringify(returned)}\n`)
  process.kill(process.pid, "SIGKILL")
  return yield* Effect.never
})

const [what, directory = "", events = "0", size = "1"] = process.argv.slice(2)
if (what === "http") await serve()
else if (what === "socket") await serveSockets()
else if (what === "synapse") await serveSynapse()
else if (what === "claims") await Effect.runPromise(Effect.scoped(writeClaims(directory, Number(events))))
else if (what === "claims-again") await Effect.runPromise(Effect.scoped(restartClaims(directory)))
else await Effect.runPromise(Effect.scoped(what === "write" ? write(directory, Number(events), Number(size)) : restart(directory)))
