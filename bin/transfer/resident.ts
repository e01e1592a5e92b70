// The kernel that something is moved into or out of: the one that runs here, or, when none does, one over the same store that
// runs no module and is gone when the work is done. Both are spoken to in the same way.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { door } from "../../kernel/door/http.ts"
import { launchKernel } from "../../kernel/launch.ts"
import { version } from "../../kernel/version.ts"
import type { Called } from "../called.ts"
import { NotLaunched } from "../failure.ts"
import { makeHome } from "../home.ts"
import { loadConfig } from "../load-config.ts"
import { makeToken, refuseSecond } from "../run-file.ts"
import { type Desk, makeDesk } from "../sssn/desk.ts"
import { deskOf } from "../sssn/open.ts"

export interface Resident {
  readonly desk: Desk
  /** In words: where things are kept. */
  readonly where: string
}

/** A kernel without modules over the store of this folder. Its doors docked, nothing else runs. */
const temporary = (called: Called): Effect.Effect<Resident, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const { directory } = called
    const { config, files } = yield* loadConfig({ directory })
    if (config.store.backend === "memory") {
      return yield* new NotLaunched({ directory, reason: "its config keeps everything in memory, so that nothing would be left; start a kernel first" })
    }
    yield* makeHome(directory)
    yield* refuseSecond(directory)
    const kernel = yield* launchKernel({ config: { ...config, modules: [] }, directory, modules: [], source: files.source, version })
    const token = makeToken()
    const { url } = yield* door({ token, executors: kernel.executors }).open(kernel)
    return { desk: makeDesk(url, token), where: `the store of ${directory}` }
  })

/** Uses the kernel of this folder. Rejects with the failure itself. */
export const withResident = async <A>(called: Called, use: (resident: Resident) => Promise<A>): Promise<A> => {
  const desk = deskOf(called)
  if (desk !== undefined) return use({ desk, where: `the kernel at ${desk.url}` })
  const scope = Scope.makeUnsafe()
  try {
    const exit = await Effect.runPromiseExit(Scope.provide(temporary(called), scope))
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    return await use(exit.value)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
