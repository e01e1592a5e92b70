// A hub as a test scripts it: a WebSocket server that binds names like one of the 0.28 wire and says what it is told to say.
import { WebSocketServer, type WebSocket } from "ws"

// A frame has whatever shape it has; the tests say which.
// eslint-disable-next-line typescript/no-explicit-any -- see above
type Frame = any

export interface FakeHub {
  readonly uri: string
  /** Everything that came, in order. */
  readonly heard: ReadonlyArray<Frame>
  /** The next frame that came and is so; each is handed out once. */
  readonly next: (isSo: (frame: Frame) => boolean) => Promise<Frame>
  /** To everybody who is bound. */
  readonly broadcast: (frame: object) => void
  /** Breaks every connection without a word. */
  readonly cut: () => void
  readonly close: () => Promise<void>
}

export interface FakeOptions {
  /** As one of ours: it echoes request ids and lists what it can. */
  readonly extensions?: ReadonlyArray<string>
  /** What to say to a frame that came; nothing by itself. */
  readonly answer?: (frame: Frame, say: (frame: object) => void, cut: () => void) => void
  /** Refuses a binding with this frame and closes with this code. */
  readonly refuse?: (frame: Frame) => { readonly frame: object; readonly code?: number } | undefined
  readonly hubId?: () => string
  readonly port?: number
}

export const fakeHub = async ({ answer, extensions, hubId = () => "syn-00000000", port = 0, refuse }: FakeOptions = {}): Promise<FakeHub> => {
  const server = new WebSocketServer({ port, host: "127.0.0.1" })
  await new Promise<void>((resolve) => server.on("listening", resolve))
  const heard: Array<Frame> = []
  const taken = new Set<Frame>()
  let wake = (): void => undefined
  const bound = new Map<WebSocket, string>()
  const say = (to: WebSocket) => (frame: object): void => to.send(JSON.stringify({ sender: "SynapseHub", target: "all", payload: "", timestamp: 1, hub_id: hubId(), ...frame }))
  server.on("connection", (socket) => {
    say(socket)({ type: "welcome", target: "self", payload: "Welcome to Synapse", connected_clients: 1, online_agents: [], ...(extensions === undefined ? {} : { extensions }) })
    // Somebody else comes meanwhile.
    say(socket)({ type: "presence_update", payload: "Presence update", online_agents: ["Z"], event: "joined", agent: "Z" })
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as Frame
      if (!bound.has(socket)) {
        const refusal = refuse?.(frame)
        if (refusal !== undefined) {
          say(socket)(refusal.frame)
          if (refusal.code !== undefined) socket.close(refusal.code, "refused")
          return
        }
        bound.set(socket, frame.sender)
        for (const one of bound.keys()) say(one)({ type: "presence_update", payload: "Presence update", online_agents: [...bound.values()], event: "joined", agent: frame.sender })
      }
      heard.push(frame)
      wake()
      answer?.(frame, say(socket), cut)
    })
    socket.on("close", () => void bound.delete(socket))
  })
  const cut = (): void => {
    for (const one of server.clients) one.terminate()
  }
  const address = server.address()
  if (typeof address !== "object" || address === null) throw new Error("no port")
  return {
    uri: `ws://127.0.0.1:${address.port}`,
    heard,
    next: async (isSo) => {
      for (;;) {
        const found = heard.find((frame) => !taken.has(frame) && isSo(frame))
        if (found !== undefined) {
          taken.add(found)
          return found
        }
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    broadcast: (frame) => {
      for (const one of bound.keys()) say(one)(frame)
    },
    cut,
    close: () => new Promise((resolve) => {
      cut()
      server.close(() => resolve())
    })
  }
}
