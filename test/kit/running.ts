// A kernel in this process that the command line finds as the one that runs in a folder.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { makeHome } from "../../bin/home.ts"
import { announce, makeToken } from "../../bin/run-file.ts"
import { door } from "../../kernel/door/http.ts"
import { makeKernel, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import { version } from "../../kernel/version.ts"

export interface Running {
  readonly kernel: TestKernel
  readonly stop: () => Promise<void>
}

/** Until it is stopped. Keeps everything in memory. */
export const runIn = async (directory: string, options: TestOptions = {}): Promise<Running> => {
  const scope = Scope.makeUnsafe()
  const kernel = await Effect.runPromise(Scope.provide(Effect.gen(function*() {
    const made = yield* makeKernel({ directory, ...options })
    const token = makeToken()
    const { url } = yield* door({ token, executors: made.executors }).open(made)
    yield* makeHome(directory)
    yield* announce(directory, { url, version, token })
    return made
  }), scope))
  return { kernel, stop: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
