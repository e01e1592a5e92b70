// The synapse wire as a test holds it: a kernel with the real coordinator behind the real door, and sockets that keep their frames.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { WebSocket, type ClientOptions } from "ws"
import type { Hub } from "../../kernel/door/synapse.ts"
import { synapse, type SynapseOptions } from "../../kernel/door/synapse.ts"
import { listener } from "../../kernel/door/listener.ts"
import { makeReception } from "../../kernel/door/reception.ts"
import { makeKernel, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import { coordinator, type CoordinatorOptions } from "../../modules/coordinator/index.ts"
import type { TokenRequest } from "../../protocol/token.ts"
import type { Frame } from "./socket.ts"

export interface Client {
  readonly ws: WebSocket
  readonly frames: ReadonlyArray<Frame>
  /** Frames of a client; a text goes as it is. */
  readonly send: (frame: object | string) => void
  /** The next frame, from now on or already there, that is so. Each is handed out once. */
  readonly next: (isSo: (frame: Frame) => boolean) => Promise<Frame>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
}

/** A client that sends as its name from its first frame on. */
export interface Agent extends Client {
  readonly name: string
  readonly say: (type: string, fields?: object) => void
  /** Sends, and gives the next frame of that type. */
  readonly ask: (type: string, fields: object, answer: string) => Promise<Frame>
  /** What was sent before was handled, and what it caused has come. */
  readonly settled: () => Promise<void>
  readonly leave: () => Promise<unknown>
}

/** Opens a socket; rejects with the status of a refusal. */
export const connect = (url: string, options: ClientOptions = {}): Promise<Client> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate: false, ...options })
    const frames: Array<Frame> = []
    const taken = new Set<Frame>()
    let waiting: Array<() => void> = []
    const closed = new Promise<{ code: number; reason: string }>((done) => ws.on("close", (code, reason) => done({ code, reason: String(reason) })))
    ws.on("message", (data) => {
      frames.push(JSON.parse(String(data)))
      const woken = waiting
      waiting = []
      for (const wake of woken) wake()
    })
    ws.on("error", () => {})
    ws.on("unexpected-response", (_: unknown, response: { readonly statusCode?: number }) => reject(new Error(`refused with ${response.statusCode}`)))
    const client: Client = {
      ws, frames, closed,
      send: (frame) => ws.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
      next: async (isSo) => {
        for (;;) {
          const found = frames.find((frame) => !taken.has(frame) && isSo(frame))
          if (found !== undefined) {
            taken.add(found)
            return found
          }
          if (ws.readyState === WebSocket.CLOSED) throw new Error(`it was closed before that came; there was: ${JSON.stringify(frames).slice(0, 2_000)}`)
          await Promise.race([new Promise<void>((wake) => waiting.push(wake)), closed])
        }
      }
    }
    ws.on("open", () => resolve(client))
  })

export interface World {
  readonly kernel: TestKernel
  readonly url: string
  readonly port: number
  readonly operatorToken: string
  readonly hub: () => Hub
  readonly mint: (request: TokenRequest) => Promise<string>
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  readonly connect: (options?: ClientOptions, path?: string) => Promise<Client>
  /** Connects and is bound: its own `joined` has come. */
  readonly agent: (name: string, first?: object) => Promise<Agent>
  /** Steps the time of the kernel, and lets the coordinator see that it went on. */
  readonly advance: (millis: number) => Promise<void>
  /** Docks another coordinator in place of the one there is. */
  readonly restart: () => Promise<void>
}

export interface WorldOptions extends SynapseOptions {
  readonly kernel?: TestOptions
  readonly coordinator?: CoordinatorOptions
  /** On the listener of the kernel instead of a port of its own. */
  readonly shared?: boolean
}

export const withSynapse = async <A>(options: WorldOptions, body: (world: World) => Promise<A>): Promise<A> => {
  const { coordinator: coordinatorOptions = {}, kernel: kernelOptions = {}, shared = false, ...synapseOptions } = options
  const scope = Scope.makeUnsafe()
  const run = <R, E>(effect: Effect.Effect<R, E>): Promise<R> => Effect.runPromise(Effect.provide(effect, Logger.layer([])))
  const operatorToken = "operator-token-of-the-tests"
  const sockets: Array<Client> = []
  try {
    const made = await run(Scope.provide(Effect.gen(function*() {
      const kernel = yield* makeKernel(kernelOptions)
      yield* kernel.dock(coordinator(coordinatorOptions))
      const reception = yield* makeReception({ kernel, operatorToken, isLoopback: true })
      const door = yield* synapse(kernel, { open: !shared, ...(shared ? {} : { port: 0 }), ...synapseOptions })
      const at = yield* door.listen(reception)
      const opened = shared ? yield* listener({ reception }) : undefined
      if (opened !== undefined) door.attach(opened, reception)
      const url = at?.url ?? `${opened?.url.replace("http", "ws")}/synapse`
      return { kernel, door, url, port: at?.port ?? opened?.port ?? 0 }
    }), scope))
    const { door, kernel, port, url } = made
    const open: World["connect"] = async (given = {}, path = "") => {
      const client = await connect(`${url}${path}`, given)
      sockets.push(client)
      return client
    }
    return await body({
      kernel, url, port, operatorToken, run,
      hub: () => {
        const hub = door.opened()
        if (hub === undefined) throw new Error("nobody has come yet")
        return hub
      },
      mint: async (request) => (await run(kernel.tokens.mint(request))).token,
      connect: open,
      agent: async (name, first = {}) => {
        const client = await open()
        let marks = 0
        const agent: Agent = Object.assign(client, {
          name,
          say: (type: string, fields: object = {}) => client.send({ sender: name, type, ...fields }),
          ask: (type: string, fields: object, answer: string) => {
            agent.say(type, fields)
            return client.next((frame) => frame.type === answer)
          },
          settled: async () => {
            const id = `settled-${++marks}`
            agent.say("who_request", { request_id: id })
            await client.next(({ request_id }) => request_id === id)
          },
          leave: () => {
            client.ws.close()
            return client.closed
          }
        })
        agent.say("heartbeat", first)
        await client.next(({ agent: who, event, type }) => type === "presence_update" && event === "joined" && who === name)
        return agent
      },
      advance: async (millis) => {
        kernel.time.advance(millis)
        await run(kernel.step)
      },
      restart: async () => {
        await run(kernel.undock("coordinator"))
        await run(kernel.dock(coordinator(coordinatorOptions)))
      }
    })
  } finally {
    for (const { ws } of sockets) ws.terminate()
    await run(Scope.close(scope, Exit.void))
  }
}
