// The command that runs another one under a lock.
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { seatFlags } from "../coordination/flags.ts"
import { UsageError } from "../failure.ts"
import { called, examples, given, list, word } from "../flag.ts"

export const lock = Command.make("lock", {
  id: word("id", "The name of the lock"),
  command: Argument.String("command").pipe(Argument.withDescription("Behind --: what to run while it is held"), Argument.atLeast(0)),
  paths: list("paths", "Files, folders or globs that go with it; may be repeated. Without any it is a named lock, and of no files"),
  "wait-timeout": Flag.Finite("wait-timeout").pipe(Flag.withDescription("Seconds to wait for it; 0: not at all"), Flag.withDefault(30)),
  ...seatFlags
}, Effect.fnUntraced(function*({ command, id, paths, "wait-timeout": wait, ...flags }) {
  if (!(wait >= 0 && wait <= 2_000_000)) return yield* new UsageError({ reason: `--wait-timeout ${wait} is no number of seconds that can be waited.` })
  const locking = yield* Effect.promise(() => import("./lock.ts"))
  yield* locking.lock(yield* called, id, command, { paths, "wait-timeout": wait, ...given(flags) })
})).pipe(
  Command.withDescription("Run a command while a lock is held: renewed meanwhile, given back at the end. When the lock is lost, the command is stopped (exit 5). Exit 1 when it could not be had, else as the command ended."),
  examples(
    ["aaax lock migrations --paths db/migrations -- npm run migrate", "nobody else touches them meanwhile"],
    ["aaax lock release --wait-timeout 0 -- ./release.sh", "a named lock; exit 1 at once when somebody has it"]
  )
)
