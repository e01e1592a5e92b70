// The HTTP door: a listener for the operator of a kernel and, when it is published, for everybody who has a credential.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Unauthenticated } from "../../protocol/errors.ts"
import type { Kernel } from "../kernel.ts"
import type { Door, DoorError, OpenDoor } from "./door.ts"
import type { Reception } from "./guest.ts"
import { listener, type ListenerOptions } from "./listener.ts"
import type { Publication } from "./publication.ts"
import { makeReception } from "./reception.ts"
import { root } from "./root.ts"
import { transport } from "./transport.ts"
import { v1 } from "./v1/surface.ts"
import { webSockets } from "./ws.ts"

export interface HttpOptions {
  /** What the operator must present. */
  readonly token: string
  /** Executors that there are now. Those at the start the operator may ask for without a rule that says so. */
  readonly executors: () => ReadonlyArray<string>
  /** Of the listener that is for the operator alone. 0, the default: any free port. */
  readonly port?: number
  /** Serve everybody who has a credential, too. */
  readonly publication?: Publication
  /** No listener beside the published one: the operator goes there as well. */
  readonly isAlone?: boolean
}

export interface OpenHttp extends OpenDoor {
  readonly port: number
  /** Where it is published; the same address when this machine alone can reach that. */
  readonly published?: { readonly url: string; readonly port: number; readonly wasTaken: boolean }
}

export interface HttpDoor extends Door {
  readonly open: (kernel: Kernel) => Effect.Effect<OpenHttp, DoorError, Scope.Scope>
}

const notPublished = Effect.fail(new Unauthenticated({
  reason: "This listener is for the kernel's operator.", how: "To let guests in, publish the kernel: aaax launch --publish"
}))

/** A reception of a kernel that is not published: its guests have nowhere to go. */
const operatorOnly = (reception: Reception): Reception => {
  const only = (guest: ReturnType<Reception["byToken"]>): ReturnType<Reception["byToken"]> =>
    Effect.flatMap(guest, (found) => (found.isOperator ? Effect.succeed(found) : notPublished))
  return { authenticate: (authorization) => only(reception.authenticate(authorization)), byToken: (token) => only(reception.byToken(token)) }
}

/** Where the operator's clients look: they speak to this machine, without TLS. */
const isControl = (publication: Publication | undefined): boolean => publication?.host === "127.0.0.1" && publication.tls === undefined

const addressOf = ({ host, hosts, orNext, origins, port, tls }: Publication): Omit<ListenerOptions, "reception"> =>
  ({ host, port, orNext, hosts, origins, ...(tls === undefined ? {} : { tls }) })

export const door = (options: HttpOptions): HttpDoor => ({
  name: "http",
  open: Effect.fnUntraced(function*(kernel): Effect.fn.Return<OpenHttp, DoorError, Scope.Scope> {
    const { executors, publication, token: operatorToken } = options
    const reception = yield* makeReception({
      kernel, operatorToken, isLoopback: publication?.isLocal ?? true,
      ...(publication?.security === undefined ? {} : { security: publication.security })
    })
    const own: ListenerOptions = { reception: operatorOnly(reception), ...(options.port === undefined ? {} : { port: options.port }) }
    // Addresses first: one that cannot be had leaves nothing docked. Until a surface is attached they answer that they start.
    const open = publication === undefined ? undefined : yield* listener({ ...addressOf(publication), reception })
    const control = open !== undefined && (options.isAlone === true || isControl(publication)) ? open : yield* listener(own)
    const surfaces = [root(), yield* v1(kernel, executors), transport({ kernel })]
    if (open !== undefined) {
      const sockets = yield* webSockets({ kernel, reception })
      open.onUpgrade("/v1/ws", sockets.upgrade)
      for (const surface of surfaces) open.attach(surface)
    }
    if (control !== open) for (const surface of surfaces) if (!surface.published) control.attach(surface)
    const { port, url } = control
    if (open === undefined) return { url, port }
    return { url, port, published: { url: open.url, port: open.port, wasTaken: publication?.orNext === true && open.port !== publication.port } }
  })
})
