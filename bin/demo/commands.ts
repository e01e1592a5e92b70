// The command that shows coordination at work.
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { called, examples } from "../flag.ts"

export const demo = Command.make("demo", {}, Effect.fnUntraced(function*() {
  const showing = yield* Effect.promise(() => import("./demo.ts"))
  yield* showing.demo(yield* called)
})).pipe(
  Command.withDescription("Three scripted agents on a scratch repository: plan, claims, refused overlap, hand-off, a crash, and the gate in front of commits. Offline; leaves nothing behind."),
  examples(["aaax demo", "watch it, in a few seconds"], ["aaax demo --json", "what was done and what came of it"])
)
