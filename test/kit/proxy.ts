// A wire that can be cut, for tests of what happens then: a proxy in front of a listener.
import { connect as dial, createServer, type AddressInfo, type Socket } from "node:net"

export interface Wire {
  readonly url: string
  /** Ends every connection at once, as a network that fails does: nobody says goodbye. */
  readonly cut: () => void
  /** What the listener says over the connections that there are is lost; what it is told arrives. */
  readonly deafen: () => void
  /** Nothing goes through the connections that there are any more, and nobody is told, whatever the other end does. */
  readonly stall: () => void
  /** Refuses new connections, … */
  readonly refuse: () => void
  /** … and takes them again. */
  readonly mend: () => void
  readonly close: () => Promise<void>
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
  state: "open" | "deaf" | "stalled"
}

export const wireTo = async (url: string): Promise<Wire> => {
  const { host, port } = new URL(url)
  const pairs = new Set<Pair>()
  let refusing = false
  const server = createServer((near) => {
    if (refusing) return void near.resetAndDestroy()
    const far = dial(Number(port), "127.0.0.1")
    const pair: Pair = { near, far, state: "open" }
    pairs.add(pair)
    near.on("data", (chunk) => {
      if (pair.state === "stalled") return
      // The listener answers to its own name only. Ports of both have five digits, so that lengths stay.
      const at = chunk.indexOf(name)
      if (at >= 0) chunk.write(host, at, "latin1")
      far.write(chunk)
    })
    far.on("data", (chunk) => {
      if (pair.state === "open") near.write(chunk)
    })
    const over = (): void => {
      if (pair.state === "stalled") return
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on("error", () => {}).on("close", over)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const name = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const become = (state: Pair["state"]): void => {
    for (const pair of pairs) pair.state = state
  }
  const cut = (): void => {
    become("open")
    for (const { far, near } of pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    pairs.clear()
  }
  return {
    url: `http://${name}`,
    cut,
    deafen: () => become("deaf"),
    stall: () => become("stalled"),
    refuse: () => (refusing = true),
    mend: () => (refusing = false),
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
