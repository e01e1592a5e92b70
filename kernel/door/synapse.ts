// The synapse door: `/synapse` of the kernel's listeners and, when it is configured, a port of its own where any path is good. One
// hub is behind all of them, opened by its first visitor.
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { networkInterfaces } from "node:os"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { synapsePath } from "../../protocol/synapse.ts"
import type { Kernel } from "../kernel.ts"
import type { DoorError } from "./door.ts"
import type { Reception } from "./guest.ts"
import { listener, type Listener } from "./listener.ts"
import { isLoopback } from "./names.ts"
import { refusal } from "./problems.ts"
import type { Publication } from "./publication.ts"
import type { Surface } from "./surface.ts"
import { anyPath } from "./upgrades.ts"
import type { Entrance, Hub, HubOptions } from "./synapse/hub.ts"

export type { Entrance, Hub, HubOptions, HubTimes } from "./synapse/hub.ts"

/** What a config says of it. */
export interface SynapseOptions extends Omit<HubOptions, "kernel"> {
  /** Of its own. Absent: it has none. 0: any that is free. */
  readonly port?: number
  readonly host?: string
  /** The first frame binds any free name, without a credential; on a loopback address only. */
  readonly open?: boolean
  /** Origins whose pages may connect to its own port. */
  readonly origins?: ReadonlyArray<string>
  /** Serves other machines as it is, in the clear and, when it is open, to everybody: the network that reaches it is trusted. */
  readonly exposed?: boolean
  /** Each is good for any free name. Empty ones are good for nothing. */
  readonly tokens?: ReadonlyArray<string>
}

export interface Synapse {
  /** Answers at `/synapse` there, to whoever has a credential. */
  readonly attach: (listener: Pick<Listener, "onUpgrade">, reception: Reception) => void
  /** Its own port, when it has one. */
  readonly listen: (
    reception: Reception, at?: Pick<Publication, "hosts" | "origins" | "tls">
  ) => Effect.Effect<{ readonly url: string; readonly port: number; readonly open: boolean } | undefined, DoorError, Scope.Scope>
  /** What there is of it, for those who count. */
  readonly opened: () => Hub | undefined
}

const issue = (path: string, reason: string): ConfigInvalid => new ConfigInvalid({ issues: [{ file: "network", path: `synapse.${path}`, reason }] })

/** Machines without IPv6 have one loopback address. */
const hasLoopback6 = (): boolean => Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === "::1"))

/** Who asks without upgrading. */
const speaks: Surface = {
  prefix: "", published: false, refusal, open: () => true,
  answer: () => Effect.succeed({
    status: 426, headers: { "content-type": "text/plain", upgrade: "websocket" }, body: "This port speaks the synapse wire over WebSocket.\n", route: "synapse"
  })
}

/** Makes it; it is closed with the scope. */
export const synapse = Effect.fnUntraced(function*(kernel: Kernel, options: SynapseOptions = {}): Effect.fn.Return<Synapse, never, Scope.Scope> {
  const { exposed = false, host = "127.0.0.1", open = false, origins = [], port, tokens = [], ...rest } = options
  const scope = yield* Effect.scope
  const context = yield* Effect.context()
  let opened: Hub | undefined
  let opening: Promise<Hub> | undefined
  const hub = (): Promise<Hub> => {
    opening ??= import("./synapse/hub.ts").then(async ({ synapseHub }) => {
      opened = await Effect.runPromiseWith(context)(Scope.provide(synapseHub({ ...rest, kernel }), scope))
      return opened
    })
    return opening
  }
  const enter = (at: Pick<Listener, "onUpgrade">, path: string, entrance: Entrance): (() => void) => {
    let upgrade: ReturnType<Hub["upgrade"]> | undefined
    return at.onUpgrade(path, (request, socket, head) => {
      if (upgrade !== undefined) return upgrade(request, socket, head)
      hub().then((found) => (upgrade = found.upgrade(entrance))(request, socket, head), () => socket.destroy())
    })
  }

  return {
    attach: (at, reception) => void enter(at, synapsePath, { reception, open: false, tokens }),
    listen: Effect.fnUntraced(function*(reception, at) {
      if (port === undefined) return undefined
      if (open && !exposed && !isLoopback(host)) return yield* issue("open", `lets anybody in who reaches ${host}, so it serves loopback addresses only; leave it out, and clients present a token.`)
      if (!exposed && !isLoopback(host) && at?.tls === undefined) {
        return yield* issue("host", `${host} can be reached from other machines, and tokens would go there in the clear: give network.tls { cert, key }; 127.0.0.1 needs none.`)
      }
      const listenAt = (address: string, number: number): Effect.Effect<Listener, DoorError, Scope.Scope> =>
        Effect.map(
          listener({
            reception, host: address, port: number, origins: [...at?.origins ?? [], ...origins], ...(at === undefined ? {} : { hosts: at.hosts }),
            ...(isLoopback(host) || at?.tls === undefined ? {} : { tls: at.tls })
          }),
          (one) => {
            one.attach(speaks)
            // Whoever comes at once waits for the hub, and is let in.
            enter(one, anyPath, { reception, open, tokens })
            return one
          }
        )
      const listening = yield* listenAt(host === "localhost" ? "127.0.0.1" : host, port)
      // The name stands for both: nobody else is to answer those who try this one first.
      if (host === "localhost" && hasLoopback6()) yield* listenAt("::1", listening.port)
      // Opened behind its listeners, it ends before them, and tells everybody that it does.
      yield* Effect.promise(hub)
      return { url: listening.url.replace(/^http/u, "ws"), port: listening.port, open }
    }),
    opened: () => opened
  }
})
