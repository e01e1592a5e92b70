// A WebSocket as a test holds it: frames that came, in order, and what is waited for.
import type { IncomingMessage } from "node:http"
import { WebSocket, type ClientOptions } from "ws"
import { socketPath } from "../../protocol/frame.ts"

// A frame of the kernel has whatever shape it has; the tests say which.
// eslint-disable-next-line typescript/no-explicit-any -- see above
export type Frame = any

export interface Client {
  readonly ws: WebSocket
  readonly frames: ReadonlyArray<Frame>
  readonly send: (frame: unknown) => void
  /** The next frame, from now on or already there, that is so. Each is handed out once. */
  readonly next: (isSo: (frame: Frame) => boolean) => Promise<Frame>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  /** Calls a method of a port and gives the result or failure frame. */
  readonly call: (op: string, ...args: ReadonlyArray<unknown>) => Promise<Frame>
  readonly id: () => number
}

/** Opens a socket; rejects with the status of a refusal. */
export const dial = (url: string, options: ClientOptions = {}): Promise<Client> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(`${url.replace("http", "ws")}${socketPath}`, options)
    const frames: Array<Frame> = []
    const taken = new Set<Frame>()
    let waiting: Array<() => void> = []
    let ids = 0
    const closed = new Promise<{ code: number; reason: string }>((done) => ws.on("close", (code, reason) => done({ code, reason: String(reason) })))
    ws.on("message", (data, isBinary) => {
      frames.push(isBinary ? { frame: "bytes", bytes: data } : JSON.parse(String(data)))
      const woken = waiting
      waiting = []
      for (const wake of woken) wake()
    })
    ws.on("error", () => {})
    ws.on("unexpected-response", (_: unknown, response: IncomingMessage) => reject(new Error(`refused with ${response.statusCode}`)))
    const client: Client = {
      ws, frames, closed,
      id: () => ++ids,
      send: (frame) => ws.send(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame)),
      next: async (isSo) => {
        for (;;) {
          const found = frames.find((frame) => !taken.has(frame) && isSo(frame))
          if (found !== undefined) {
            taken.add(found)
            return found
          }
          if (ws.readyState === WebSocket.CLOSED) throw new Error("it was closed before that came")
          await Promise.race([new Promise<void>((wake) => waiting.push(wake)), closed])
        }
      },
      call: (op, ...args) => {
        const id = client.id()
        client.send({ frame: "call", id, op, args })
        return client.next((frame) => (frame.frame === "result" || frame.frame === "failure") && frame.id === id)
      }
    }
    ws.on("open", () => resolve(client))
  })

/** Opens a socket and says who it is. */
export const enter = async (url: string, token: string, resume: object = {}): Promise<Client & { readonly welcome: Frame }> => {
  const client = await dial(url)
  client.send({ frame: "hello", versions: [1], token, ...resume })
  const welcome = await client.next(({ frame }) => frame === "welcome")
  return { ...client, welcome }
}
