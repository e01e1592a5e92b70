// A kernel in memory behind a listener, for tests of what comes over the network: the doors are the real ones.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { listener, type Listener } from "../../kernel/door/listener.ts"
import { makeReception } from "../../kernel/door/reception.ts"
import { v1 } from "../../kernel/door/v1/surface.ts"
import { webSockets, type WebSockets, type WebSocketTimes } from "../../kernel/door/ws.ts"
import { makeKernel, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import type { ChannelSpec } from "../../protocol/channel.ts"
import { channelOf } from "../../protocol/channel.ts"
import { socketPath } from "../../protocol/frame.ts"
import type { TokenRequest } from "../../protocol/token.ts"

export interface Network {
  readonly kernel: TestKernel
  readonly listener: Listener
  readonly sockets: WebSockets
  readonly url: string
  readonly operatorToken: string
  readonly mint: (request: TokenRequest) => Promise<string>
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  /** Opens a channel of the host. */
  readonly open: (spec: ChannelSpec) => Promise<void>
}

export interface NetworkOptions extends TestOptions {
  readonly times?: Partial<WebSocketTimes>
  /** Also the kernel's own API. */
  readonly v1?: boolean
}

/** Resolves when something is so. For what another process or socket does; nothing tells of it. */
export const until = async (what: string, isSo: () => boolean | Promise<boolean>, millis = 10_000): Promise<void> => {
  const end = performance.now() + millis
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`it did not come to be: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export const withNetwork = async <A>(options: NetworkOptions, body: (network: Network) => Promise<A>): Promise<A> => {
  const { times, v1: withV1 = false, ...kernelOptions } = options
  const scope = Scope.makeUnsafe()
  const run = <R, E>(effect: Effect.Effect<R, E>): Promise<R> => Effect.runPromise(Effect.provide(effect, Logger.layer([])))
  const operatorToken = "operator-token-of-the-tests"
  try {
    const made = await run(Scope.provide(Effect.gen(function*() {
      const kernel = yield* makeKernel(kernelOptions)
      const reception = yield* makeReception({ kernel, operatorToken, isLoopback: true })
      const opened = yield* listener({ reception })
      const sockets = yield* webSockets({ kernel, reception, ...(times === undefined ? {} : { times }) })
      opened.onUpgrade(socketPath, sockets.upgrade)
      if (withV1) opened.attach(yield* v1(kernel, kernel.executors))
      return { kernel, listener: opened, sockets }
    }), scope))
    return await body({
      ...made,
      url: made.listener.url,
      operatorToken,
      run,
      mint: async (request) => (await run(made.kernel.tokens.mint(request))).token,
      open: (spec) => run(made.kernel.channels.open(channelOf(spec, made.kernel.id)))
    })
  } finally {
    await run(Scope.close(scope, Exit.void))
  }
}
