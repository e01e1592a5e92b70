// The HTTP door: a listener for the operator of a kernel and, when it is published, for everybody who has a credential.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Unauthenticated } from "../../protocol/errors.ts"
import type { Kernel } from "../kernel.ts"
import { telemetryMillis } from "../limits.ts"
import type { Door, DoorError, OpenDoor } from "./door.ts"
import type { Reception } from "./guest.ts"
import { listener, type Listener, type ListenerOptions } from "./listener.ts"
import { makeMetrics } from "./metrics.ts"
import type { Publication } from "./publication.ts"
import { makeReception } from "./reception.ts"
import { root, type RootOptions } from "./root.ts"
import { attachWebSockets } from "./sockets.ts"
import { synapse, type Synapse, type SynapseOptions } from "./synapse.ts"
import type { Telemetry } from "./telemetry.ts"
import { v1 } from "./v1/surface.ts"
import type { WebSockets } from "./ws.ts"

export interface HttpOptions {
  /** What the operator must present. */
  readonly token: string
  /** Executors that there are now. Those at the start the operator may ask for without a rule that says so. */
  readonly executors: () => ReadonlyArray<string>
  /** Of the listener that is for the operator alone. 0, the default: any free port. */
  readonly port?: number
  /** Serve everybody who has a credential, too. */
  readonly publication?: Publication
  /** Where traces and numbers go beside those who ask. */
  readonly telemetry?: Telemetry
  /** The synapse wire: at `/synapse` of every listener, and at a port of its own when this says one. */
  readonly synapse?: SynapseOptions
  /** No listener beside the published one: the operator goes there as well. */
  readonly isAlone?: boolean
}

export interface OpenHttp extends OpenDoor {
  readonly port: number
  /** Where it is published; the same address when this machine alone can reach that. */
  readonly published?: { readonly url: string; readonly port: number; readonly wasTaken: boolean }
  /** The synapse port; `open`: whoever reaches it may take part. */
  readonly synapse?: { readonly url: string; readonly port: number; readonly open: boolean }
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
  return {
    authenticate: (authorization) => only(reception.authenticate(authorization)), byToken: (token) => only(reception.byToken(token)),
    byProof: () => notPublished, nonce: reception.nonce
  }
}

/** Where the operator's clients look: they speak to this machine, without TLS. */
const isControl = (publication: Publication | undefined): boolean => publication?.host === "127.0.0.1" && publication.tls === undefined

const addressOf = ({ host, hosts, orNext, origins, port, tls }: Publication): Omit<ListenerOptions, "reception"> =>
  ({ host, port, orNext, hosts, origins, ...(tls === undefined ? {} : { tls }) })

/** Why a kernel cannot do all of its work. */
const unreadyOf = ({ channels, status }: Kernel): ReturnType<RootOptions["unready"]> => {
  const stopped = channels.store.stopped()
  const { clockJump } = status()
  return [
    ...(stopped === undefined ? [] : [{ code: "store-stopped", detail: `The store takes no writes: ${stopped}.` }]),
    ...(clockJump === null ? [] : [{ code: "clock-jump", detail: `The clock jumped by ${clockJump} ms and nobody confirmed it: aaax clock confirm.` }])
  ]
}

export const door = (options: HttpOptions): HttpDoor => ({
  name: "http",
  open: Effect.fnUntraced(function*(kernel): Effect.fn.Return<OpenHttp, DoorError, Scope.Scope> {
    const { executors, publication, telemetry, token: operatorToken } = options
    if (publication !== undefined) yield* kernel.tokens.ready
    const reception = yield* makeReception({
      kernel, operatorToken, isLoopback: publication?.isLocal ?? true,
      ...(publication?.security === undefined ? {} : { security: publication.security })
    })
    const listeners: Array<Listener> = []
    let sockets: () => WebSockets | undefined = () => undefined
    let wired: Synapse | undefined
    const metrics = makeMetrics(kernel, {
      connections: () => listeners.reduce((sum, each) => sum + each.connections(), 0),
      sockets: () => {
        const opened = sockets()
        return opened === undefined ? undefined : {
          connections: opened.connections(), subscriptions: opened.subscriptions(), outboxBytes: opened.outboxBytes(), dropped: opened.dropped()
        }
      },
      synapse: () => wired?.opened()
    }, telemetry?.registry)
    yield* Effect.addFinalizer(() => Effect.sync(metrics.close))
    const listen = (at: Omit<ListenerOptions, "observe" | "traces">): Effect.Effect<Listener, DoorError, Scope.Scope> =>
      Effect.tap(listener({ ...at, observe: metrics.observe, traces: telemetry !== undefined }), (opened) => Effect.sync(() => void listeners.push(opened)))

    // Addresses first: one that cannot be had leaves nothing docked. Until a surface is attached they answer that they start.
    const open = publication === undefined ? undefined : yield* listen({ ...addressOf(publication), reception })
    const control = open !== undefined && (options.isAlone === true || isControl(publication))
      ? open
      : yield* listen({ reception: operatorOnly(reception), ...(options.port === undefined ? {} : { port: options.port }) })
    const api = yield* v1(kernel, executors)
    for (const each of listeners) {
      each.attach(root({ unready: () => unreadyOf(kernel), reception: each.reception, metrics, surfaces: each.surfaces }))
      each.attach(api)
    }
    if (telemetry !== undefined) yield* Effect.forkScoped(Effect.forever(Effect.andThen(metrics.refresh, Effect.sleep(telemetryMillis))))
    const { port, url } = control
    const hub = yield* synapse(kernel, options.synapse)
    wired = hub
    for (const each of listeners) hub.attach(each, each.reception)
    const wire = yield* hub.listen(reception, publication)
    const own = wire === undefined ? {} : { synapse: wire }
    if (open === undefined || publication === undefined) return { url, port, ...own }
    sockets = yield* attachWebSockets(open, kernel, reception)
    // Loaded when a kernel is published; most are not.
    const { publishedSurfaces } = yield* Effect.promise(() => import("./published.ts"))
    for (const surface of yield* publishedSurfaces(kernel, publication.endpoints)) open.attach(surface)
    return { url, port, ...own, published: { url: open.url, port: open.port, wasTaken: publication.orNext && open.port !== publication.port } }
  })
})
