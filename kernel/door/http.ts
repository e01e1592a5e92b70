// The HTTP door: a listener with the surfaces that a kernel has for its operator and, when it is published, for everybody.
import * as Effect from "effect/Effect"
import type { Door } from "./door.ts"
import { listener } from "./listener.ts"
import { makeReception } from "./reception.ts"
import { root } from "./root.ts"
import { attachWebSockets } from "./sockets.ts"
import { v1 } from "./v1/surface.ts"

export interface HttpOptions {
  /** What the operator must present as bearer token. */
  readonly token: string
  /** Executors that there are now. Those at the start the operator may ask for without a rule that says so. */
  readonly executors: () => ReadonlyArray<string>
  /** 0, the default: any free port. */
  readonly port?: number
}

/** The operator's door. It is one more pair of docked systems to the kernel: `operator` and `terminal`. */
export const door = (options: HttpOptions): Door => ({
  name: "http",
  open: Effect.fnUntraced(function*(kernel) {
    const reception = yield* makeReception({ kernel, operatorToken: options.token, isLoopback: true })
    const opened = yield* listener({
      reception,
      ...(options.port === undefined ? {} : { port: options.port })
    })
    opened.attach(root())
    opened.attach(yield* v1(kernel, options.executors))
    yield* attachWebSockets(opened, kernel, reception)
    return { url: opened.url }
  })
})
