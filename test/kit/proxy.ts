// A wire that can be cut, for tests of what happens then: a proxy in front of a listener.
import { connect as dial, createServer, type AddressInfo, type Socket } from "node:net"

export interface Wire {
  readonly url: string
  /** Ends every connection at once, as a network that fails does: nobody says goodbye. */
  readonly cut: () => void
  /** Nothing goes through any more, and nobody is told. */
  readonly stall: () => void
  /** From now on connections go through again. */
  readonly mend: () => void
  /** Refuses new connections. */
  readonly refuse: () => void
  readonly connections: () => number
  readonly close: () => Promise<void>
}

export const wireTo = async (url: string): Promise<Wire> => {
  const { host, port } = new URL(url)
  const pairs = new Set<readonly [Socket, Socket]>()
  let state: "open" | "stalled" | "refusing" = "open"
  const server = createServer((near) => {
    if (state === "refusing") return void near.resetAndDestroy()
    const far = dial(Number(port), "127.0.0.1")
    const pair = [near, far] as const
    pairs.add(pair)
    near.on("data", (chunk) => {
      if (state === "stalled") return
      // The listener answers to its own name only. Ports of both have five digits, so that lengths stay.
      const at = chunk.indexOf(name)
      if (at >= 0) chunk.write(host, at, "latin1")
      far.write(chunk)
    })
    far.on("data", (chunk) => {
      if (state !== "stalled") near.write(chunk)
    })
    const over = (): void => {
      pairs.delete(pair)
      if (state === "stalled") return
      near.destroy()
      far.destroy()
    }
    for (const socket of pair) socket.on("error", () => {}).on("close", over)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const name = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const cut = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    stall: () => (state = "stalled"),
    mend: () => (state = "open"),
    refuse: () => (state = "refusing"),
    connections: () => pairs.size,
    close: async () => {
      state = "open"
      cut()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
