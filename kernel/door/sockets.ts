// The WebSocket door behind a listener, opened by its first visitor: a kernel that nobody visits so does not load it.
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { socketPath } from "../../protocol/frame.ts"
import type { Kernel } from "../kernel.ts"
import type { Reception } from "./guest.ts"
import type { Listener } from "./listener.ts"
import type { WebSockets } from "./ws.ts"

/** Attaches it until the scope closes; answers what there is of it, for those who count. */
export const attachWebSockets = Effect.fnUntraced(function*(
  listener: Pick<Listener, "onUpgrade">, kernel: Kernel, reception: Reception
): Effect.fn.Return<() => WebSockets | undefined, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const context = yield* Effect.context()
  let opened: WebSockets | undefined
  let opening: Promise<WebSockets> | undefined
  const open = async (): Promise<WebSockets> => {
    const { webSockets } = await import("./ws.ts")
    opened = await Effect.runPromiseWith(context)(Scope.provide(webSockets({ kernel, reception }), scope))
    return opened
  }
  const stop = listener.onUpgrade(socketPath, (request, socket, head) => {
    if (opened !== undefined) return opened.upgrade(request, socket, head)
    opening ??= open()
    opening.then((sockets) => sockets.upgrade(request, socket, head), () => socket.destroy())
  })
  yield* Effect.addFinalizer(() => Effect.sync(stop))
  return () => opened
})
