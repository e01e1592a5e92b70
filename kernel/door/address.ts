// Opening an address: the one that was asked for, or the next free one, and words for the ones that cannot be had.
import * as Effect from "effect/Effect"
import type { Server } from "node:net"
import { ConfigInvalid, StoreUnavailable } from "../../protocol/errors.ts"
import { isLoopback } from "./names.ts"

export type ListenError = StoreUnavailable | ConfigInvalid

/** How many further ports are tried when the wished one is taken. */
const portsTried = 100

/** Answers the port. `orNext`: when it is taken, the next free one. */
export const listen = (
  server: Server, host: string, port: number, orNext: boolean
): Effect.Effect<number, ListenError> =>
  Effect.callback((resume) => {
    let at = port
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === "EADDRINUSE" && orNext && at < Math.min(65_535, port + portsTried)) {
        server.listen(++at, host)
        return
      }
      server.off("listening", opened)
      resume(Effect.fail(
        error.code === "EADDRINUSE"
          ? new ConfigInvalid({
              issues: [{ file: "network", path: "port", reason: `${at} of ${host} is taken by another program; end that one, or take another port.` }]
            })
          : port === 0
            ? new StoreUnavailable({ reason: `the listener could not be opened (${error.message})` })
            : new ConfigInvalid({ issues: [{ file: "network", path: "host", reason: `${host}:${at} cannot be opened (${error.message}).` }] })
      ))
    }
    const opened = (): void => {
      server.off("error", failed)
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : at))
    }
    server.on("error", failed).once("listening", opened).listen(at, host)
  })

/** How an address is told to those on this machine. */
export const shownHost = (host: string): string =>
  isLoopback(host) || host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host
