// The commands of git hooks. What they do is loaded when one is called.
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { seatFlags } from "../coordination/flags.ts"
import { called, examples, given, text } from "../flag.ts"

const install = Command.make("install", {
  seat: text("seat", "Who commits in this working tree; kept as git config aaax.seat"),
  uri: text("uri", "The hub to ask; kept as git config aaax.uri. Default: the constellation of this folder")
}, Effect.fnUntraced(function*(flags) {
  const hooks = yield* Effect.promise(() => import("./install.ts"))
  yield* hooks.install(yield* called, given(flags))
})).pipe(
  Command.withDescription("Put the gate in front of commits: what is staged must be claimed by this seat. Hooks that are there run first. Repeatable."),
  examples(["aaax git install --seat alice", "for this working tree and its seat"])
)
const uninstall = Command.make("uninstall", {}, Effect.fnUntraced(function*() {
  const hooks = yield* Effect.promise(() => import("./install.ts"))
  yield* hooks.uninstall(yield* called)
})).pipe(Command.withDescription("Take it out again: files and settings are as they were."), examples(["aaax git uninstall", "commits are no longer held against claims"]))
const status = Command.make("status", seatFlags, Effect.fnUntraced(function*(flags) {
  const hooks = yield* Effect.promise(() => import("./status.ts"))
  yield* hooks.status(yield* called, given(flags))
})).pipe(
  Command.withDescription("Whether the gate is in force here, for whom, and whether the hub answers. Exit 3 when it is not installed, 1 when git passes it by."),
  examples(["aaax git status", "at a look"])
)

export const git = Command.make("git").pipe(
  Command.withDescription("Hooks that hold commits against claims."), Command.withSubcommands([install, uninstall, status])
)
