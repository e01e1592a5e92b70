// The synapse wire over loopback, with the clients in a process of their own: claims with their releases, and chat. Beside each a
// server of `ws` that answers the same frames out of a map, tells everybody, and does nothing else, and one in Python.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { WebSocketServer } from "ws"
import { makeReception } from "../kernel/door/reception.ts"
import { synapse as synapseDoor } from "../kernel/door/synapse.ts"
import { coordinator } from "../modules/coordinator/index.ts"
import type { Durability } from "../protocol/channel.ts"
import type { Done } from "./http-client.ts"
import { inTurns, type Sample, type Side } from "./measure.ts"
import { pythonHub } from "./python-hub.ts"
import { rowOf, type Row, type Wanted } from "./row.ts"
import type { Sized } from "./size.ts"
import { makeClient, sampled } from "./socket.ts"
import type { SynapseCommand } from "./synapse-client.ts"
import { makeWorld } from "./world.ts"

/** A kernel with its coordinator, and the address of the door. */
const world = Effect.fnUntraced(function*(directory: string, durability: Durability): Effect.fn.Return<string, unknown, Scope.Scope> {
  const path = join(directory, `synapse-${durability}`)
  mkdirSync(path, { recursive: true })
  const kernel = yield* makeWorld({ directory: path })
  yield* kernel.dock(coordinator({ durability }))
  const reception = yield* makeReception({ kernel, operatorToken: "t".repeat(43), isLoopback: true })
  const door = yield* synapseDoor(kernel, { port: 0, open: true })
  const opened = yield* door.listen(reception)
  return opened?.url ?? ""
})

interface Bare { readonly sender: string; readonly type: string; readonly task_id?: string; readonly payload: string }

/** What any hub has to do: read a frame, look at a map, write the answer once, and send it to everybody. */
const bareHub: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<WebSocketServer>((resume) => {
      const server: WebSocketServer = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false }, () => resume(Effect.succeed(server)))
      const owners = new Map<string, string>()
      let said = 0
      const tell = (frame: object): void => {
        const bytes = Buffer.from(JSON.stringify(frame))
        for (const client of server.clients) client.send(bytes, { binary: false })
      }
      server.on("connection", (socket) => socket.on("message", (data: Buffer) => {
        const { payload, sender, task_id: task = "", type } = JSON.parse(data.toString()) as Bare // what synapse-client.ts sends
        const timestamp = Date.now() / 1_000
        if (type === "heartbeat") tell({ type: "presence_update", event: "joined", agent: sender, timestamp })
        else if (type === "chat") tell({ type, sender, payload, timestamp, msg_id: ++said })
        else if (type === "claim") {
          owners.set(task, sender)
          tell({ type: "claim_granted", payload: `Task '${task}' claimed by ${sender}.`, task_id: task, owner: sender, timestamp, paths: [] })
        } else {
          owners.delete(task)
          tell({ type: "release_granted", payload: `Task '${task}' released by ${sender}.`, task_id: task, owner: sender, timestamp })
        }
      }))
    }),
    (server) => Effect.sync(() => {
      for (const socket of server.clients) socket.terminate()
      server.close()
    })
  ),
  (server) => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
)

export const synapse = Effect.fnUntraced(function*({ count, directory, programs, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const memory = yield* world(directory, "memory")
  const strict = yield* world(directory, "strict")
  const bare = yield* bareHub
  const python = yield* pythonHub(programs.child)
  const pythonKept = yield* pythonHub(programs.child, join(directory, "python.db"))
  const client = yield* makeClient<SynapseCommand>(programs.child, "synapse")
  const tell = (command: SynapseCommand): Effect.Effect<Done> => Effect.promise(() => client(command))

  const with_ = (url: string, clients: number, side: Effect.Effect<Sample>): Side =>
    Effect.gen(function*() {
      yield* tell({ kind: "open", url, clients })
      const sample = yield* side
      yield* tell({ kind: "close" })
      return sample
    })
  const pairsOf = (url: string, clients: number, total: number): Side => with_(url, clients, sampled(total, () => client({ kind: "pairs", total })))
  const chatsOf = (url: string, total: number): Side => with_(url, 17, sampled(total * 16, () => client({ kind: "chats", total, atOnce: 32 })))

  const ones = count(4_000, 5)
  const many = count(16_000, 32)
  const chats = count(4_000, 40)
  /** Its processor time is not ours to count. */
  const beside = (url: string | undefined, sideOf: (url: string) => Side): Readonly<Record<string, Side>> =>
    url === undefined ? {} : { python: Effect.map(sideOf(url), (sample) => ({ ...sample, cpuSeconds: Number.NaN })) }
  const one = yield* inTurns<string, never>(rounds, { ours: pairsOf(memory, 1, ones), bare: pairsOf(bare, 1, ones), ...beside(python, (url) => pairsOf(url, 1, ones)) })
  const sixteen = yield* inTurns<string, never>(rounds, { ours: pairsOf(memory, 16, many), bare: pairsOf(bare, 16, many), ...beside(python, (url) => pairsOf(url, 16, many >> 2)) })
  const kept = yield* inTurns<string, never>(rounds, { ours: pairsOf(strict, 1, ones), bare: pairsOf(bare, 1, ones), ...beside(pythonKept, (url) => pairsOf(url, 1, Math.max(2, ones >> 3))) })
  const keptTogether = yield* inTurns<string, never>(rounds, { ours: pairsOf(strict, 16, many), bare: pairsOf(bare, 16, many), ...beside(pythonKept, (url) => pairsOf(url, 16, many >> 3)) })
  const chat = yield* inTurns<string, never>(rounds, { ours: chatsOf(memory, chats), bare: chatsOf(bare, chats), ...beside(python, (url) => chatsOf(url, Math.max(40, chats >> 2))) })
  // Without Python: what its hub did on two shared cores with a Node client, said and not measured here.
  const times = (bar: number, perSecond: number): Wanted => (python === undefined ? { of: null, bar: bar * perSecond } : { of: "python", bar })
  return [
    rowOf(one, "rate", {
      id: "synapse/1 client", what: "claims with their releases over the synapse wire, in memory, one client", aim: times(3, 1_995),
      note: "the Python hub: 1,995 per second"
    }),
    rowOf(sixteen, "rate", {
      id: "synapse/16 clients", what: "the same with 16 clients, each of which is told of all", aim: times(5, 1_184), note: "the Python hub: 1,184 per second"
    }),
    rowOf(kept, "rate", { id: "synapse/strict, 1 client", what: "the same durably, one client", note: "the Python hub, with its database: 703 per second" }),
    rowOf(keptTogether, "rate", {
      id: "synapse/strict, 16 clients", what: "the same durably, 16 clients", aim: times(10, 242), note: "the Python hub, with its database: 242 per second"
    }),
    rowOf(chat, "rate", {
      id: "synapse/chat", what: "chat messages that 16 others heard, one each", aim: times(3, 32_000), note: "the Python hub: 32,000 per second"
    })
  ]
})
