// Serves a `.sssn` directory over the portable API, as the ancestor does: at the root of an address of this machine, to whoever
// reaches it. Host and port are looked at before the store is.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isLoopback } from "../kernel/door/names.ts"
import { directorySurface } from "../kernel/door/sssn/directory.ts"
import type { Guest, Reception } from "../kernel/door/guest.ts"
import type { ListenError } from "../kernel/door/address.ts"
import { listener, type Sample } from "../kernel/door/listener.ts"
import { LocalStore } from "../kernel/store/local.ts"
import type { Called } from "./called.ts"
import { UsageError } from "./failure.ts"
import { err, json, onErr, out } from "./terminal.ts"

const logLevels = ["critical", "error", "warning", "info", "debug", "trace"] as const

export interface ServeFlags {
  readonly store: string
  readonly host: string
  readonly port: number
  readonly logLevel: (typeof logLevels)[number]
}

const refusalOf = ({ host, port }: ServeFlags): string | undefined => {
  if (host === "" || /[\s/\\]/u.test(host)) return "serve --host must be a host without white space and slashes."
  if (port < 1 || port > 65_535) return "serve --port must be from 1 to 65535."
  return isLoopback(host)
    ? undefined
    : "serve --host must be an address of this machine alone, such as 127.0.0.1: a directory knows no credentials. To let others in, import it into a kernel (aaax import sssn DIR) and publish that (aaax launch --publish)."
}

/** Whoever reaches this machine's loopback address. Nothing behind this listener asks for more of a guest than these. */
const anyone = { system: "anyone", isOperator: false, ended: () => undefined } as unknown as Guest

const openDoor: Reception = {
  authenticate: () => Effect.succeed(anyone), byToken: () => Effect.succeed(anyone),
  byProof: () => Effect.succeed({ guest: anyone, token: undefined, take: () => Effect.void }), nonce: ""
}

const chatty = new Set<string>(["info", "debug", "trace"])

const requestLine = ({ method, millis, route, status }: Sample): string => `${method} ${route === "" ? "-" : route} ${status} ${millis.toFixed(1)} ms`

/** Completes at the first SIGINT or SIGTERM. */
const untilTold: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function*() {
  const told = Deferred.makeUnsafe<void>()
  const tell = (): void => void Deferred.doneUnsafe(told, Effect.void)
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGINT", tell).on("SIGTERM", tell)), () => Effect.sync(() => process.off("SIGINT", tell).off("SIGTERM", tell)))
  yield* Deferred.await(told)
})

export const serve = (called: Called, flags: ServeFlags): Effect.Effect<void, Error | ListenError> =>
  Effect.scoped(Effect.gen(function*() {
    const refusal = refusalOf(flags)
    if (refusal !== undefined) return yield* new UsageError({ reason: refusal })
    const store = yield* Effect.acquireRelease(
      Effect.try({ try: () => new LocalStore(flags.store), catch: (failure) => (failure instanceof Error ? failure : new Error(String(failure))) }),
      (opened) => Effect.sync(() => opened.close()))
    const { attach, url } = yield* listener({
      reception: openDoor, host: flags.host, port: flags.port,
      ...(chatty.has(flags.logLevel) ? { observe: (sample: Sample) => err(onErr.dim(requestLine(sample))) } : {})
    })
    attach(directorySurface(store))
    if (called.json) yield* Effect.promise(() => out(json({ url, store: store.root, pid: process.pid })))
    err(`Serving ${store.root} at ${url}`)
    err(onErr.yellow("WITHOUT CREDENTIALS: whoever can use this machine can read and write it. Ctrl-C ends it."))
    yield* untilTold
  }))
