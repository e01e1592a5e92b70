// Requests to upgrade: sockets that the server lets go of. Whoever takes one over keeps it; the others are ended here.
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { httpLingerMillis } from "../limits.ts"
import { targetOf } from "./target.ts"

/** As the path of a handler: whatever has none of its own. */
export const anyPath = "*"

/** Takes over the socket of a request to upgrade, which passed the checks of Host and Origin and nothing else. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface Upgrades {
  readonly upgrade: UpgradeHandler
  /** Hands requests at this very path to the handler; answers how to stop that. */
  readonly on: (path: string, handler: UpgradeHandler) => () => void
  /** Ends all sockets. */
  readonly close: () => void
}

/** `refusal`: the status of a request that nobody may have, or nothing. */
export const makeUpgrades = (refusal: (request: IncomingMessage) => string | undefined): Upgrades => {
  const handlers = new Map<string, UpgradeHandler>()
  const sockets = new Set<Duplex>()
  return {
    upgrade: (request, socket, head) => {
      sockets.add(socket)
      socket.on("error", () => socket.destroy()).once("close", () => sockets.delete(socket))
      // Once our end is closed nobody reads the other one any more: it is not waited for.
      socket.once("finish", () => {
        socket.resume()
        setTimeout(() => socket.destroy(), httpLingerMillis).unref()
      })
      const turnAway = (status: string): void => void socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
      const refused = refusal(request)
      if (refused !== undefined) return turnAway(refused)
      const target = targetOf(request.url ?? "")
      const handler = target === undefined ? undefined : handlers.get(`/${target.segments.join("/")}`) ?? handlers.get(anyPath)
      if (handler === undefined) return turnAway("404 Not Found")
      handler(request, socket, head)
    },
    on: (path, handler) => {
      handlers.set(path, handler)
      return () => {
        if (handlers.get(path) === handler) handlers.delete(path)
      }
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
    }
  }
}
