// A WebSocket wherever this runs: the platform's own in browsers and newer Node, the `ws` package elsewhere.

/** What both kinds offer. */
export interface Socket {
  binaryType: string
  readonly bufferedAmount: number
  send(data: string | Uint8Array): void
  close(code?: number, reason?: string): void
  onopen: ((event: unknown) => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null
  onerror: ((event: unknown) => void) | null
}

type Constructor = new (url: string, protocols?: ReadonlyArray<string>, options?: object) => Socket

/** The largest frame of a kernel: a page holds at least one event, however large. */
const payloadBytesMax = 256 * 1_048_576
const handshakeMillis = 10_000

const platform = (): Constructor | undefined => (globalThis as { readonly WebSocket?: Constructor }).WebSocket // where there is one it is of this shape

/** Starts to connect. Rejects only when there is no way to make a socket at all. */
export const newSocket = async (url: string): Promise<Socket> => {
  const Own = platform()
  let socket: Socket
  if (Own === undefined) {
    const { WebSocket } = await import("ws")
    socket = new (WebSocket as unknown as Constructor)(url, [], { // its class has these members, and more of them
      perMessageDeflate: false, maxPayload: payloadBytesMax, handshakeTimeout: handshakeMillis
    })
  } else socket = new Own(url)
  socket.binaryType = "arraybuffer"
  return socket
}
