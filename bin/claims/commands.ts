// The commands of claims. What they do is loaded when one is called.
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { seatFlags } from "../coordination/flags.ts"
import { called, examples, given, text, word, yes } from "../flag.ts"

const ls = Command.make("ls", { ...seatFlags, owner: text("owner", "Only those of this seat and the seats below it"), here: yes("here", "Only those of this working tree") }, Effect.fnUntraced(function*(flags) {
  const looking = yield* Effect.promise(() => import("./look.ts"))
  yield* looking.list(yield* called, given(flags))
})).pipe(
  Command.withDescription("Who holds what, and until when."),
  examples(["aaax claims ls", "all of them"], ["aaax claims ls --owner alice --json", "those of one seat, as data"])
)

const take = Command.make("take", {
  paths: Argument.String("paths").pipe(Argument.withDescription("Files, folders or globs, as seen from this folder"), Argument.atLeast(0)),
  ...seatFlags,
  all: yes("all", "The whole working tree"),
  task: text("task", "The task that they are for; default: a name made of the seat and the paths, so that taking them again renews"),
  note: text("note", "What it is about"),
  ttl: text("ttl", "How long: 30s to 30d; default: what the hub gives, an hour"),
  "release-on": Flag.Literals("release-on", ["manual", "commit", "merge"] as const).pipe(Flag.withDescription("What ends it, with the hooks of aaax git install: the next commit or merge that changes some of it"), Flag.withDefault("manual" as const)),
  base: text("base", "The branch that this one goes into"),
  wait: yes("wait", "Stay in line until they are free"),
  "wait-timeout": text("wait-timeout", "Stay in line for so long at most: 30s, 10m; then exit 7")
}, Effect.fnUntraced(function*({ paths, ...flags }) {
  const taking = yield* Effect.promise(() => import("./take.ts"))
  yield* taking.take(yield* called, paths, given(flags))
})).pipe(
  Command.withDescription("Claim files, so that nobody else changes them. Exit 5 when somebody has."),
  examples(
    ["aaax claims take 'src/auth/**' --seat alice", "a folder, for an hour"],
    ["aaax claims take src/a.ts docs --task T-3 --release-on commit", "until they are committed"],
    ["aaax claims take src/a.ts --wait-timeout 10m", "in line for ten minutes"]
  )
)

const release = Command.make("release", {
  tasks: Argument.String("tasks").pipe(Argument.withDescription("Tasks, as aaax claims ls shows them"), Argument.atLeast(0)),
  ...seatFlags,
  all: yes("all", "All of this seat in this working tree"),
  on: Flag.Literals("on", ["commit", "merge"] as const).pipe(Flag.withDescription("Those that were to end with it, and of whose files the newest one changed some"), Flag.optional),
  quiet: yes("quiet", "For hooks: say what went wrong, and end with 0 all the same")
}, Effect.fnUntraced(function*({ quiet, tasks, ...flags }) {
  const releasing = yield* Effect.promise(() => import("./release.ts"))
  yield* quiet ? releasing.releaseQuietly(yield* called, given(flags)) : releasing.release(yield* called, tasks, given(flags))
})).pipe(
  Command.withDescription("Give claims back."),
  examples(["aaax claims release T-3", "one task"], ["aaax claims release --all", "everything of this seat here"], ["aaax claims release --on commit", "what the newest commit has done with"])
)

const check = Command.make("check", {
  paths: Argument.String("paths").pipe(Argument.withDescription("Paths that are to be changed"), Argument.atLeast(0)),
  ...seatFlags,
  staged: yes("staged", "Every path of the next commit, both sides of renames")
}, Effect.fnUntraced(function*({ paths, ...flags }) {
  const checking = yield* Effect.promise(() => import("./check.ts"))
  yield* checking.check(yield* called, paths, given(flags))
})).pipe(
  Command.withDescription("Whether this very seat holds editable claims for all of these paths. Exit 4 when one is missing, 5 when one is another's."),
  examples(["aaax claims check --staged", "what the gate in front of a commit asks"], ["aaax claims check src/a.ts --json", "with a verdict for each path"])
)

const why = Command.make("why", { path: word("path", "A path in this working tree"), ...seatFlags }, Effect.fnUntraced(function*({ path, ...flags }) {
  const looking = yield* Effect.promise(() => import("./look.ts"))
  yield* looking.why(yield* called, path, given(flags))
})).pipe(Command.withDescription("Who holds a path, for what, and until when."), examples(["aaax claims why src/a.ts", "whose it is"]))

const acceptLoss = Command.make("accept-loss", { ...seatFlags, yes: yes("yes", "Give it up without being asked") }, Effect.fnUntraced(function*(flags) {
  const losing = yield* Effect.promise(() => import("./loss.ts"))
  yield* losing.acceptLoss(yield* called, given(flags))
})).pipe(
  Command.withDescription("Show what cannot be read of claims and plan, and give it up, so that they are changed again. For the operator: with the operator's token or the hub's."),
  examples(["aaax claims accept-loss", "shows what is lost and whose it may be, then asks"])
)

const all = Command.make("claims", seatFlags, Effect.fnUntraced(function*(flags) {
  const looking = yield* Effect.promise(() => import("./look.ts"))
  yield* looking.list(yield* called, given(flags))
}))

export const claims = all.pipe(
  Command.withDescription("Claims of files: who may change what in this working tree."),
  examples(["aaax claims", "who holds what"]),
  Command.withSubcommands([ls, take, release, check, why, acceptLoss])
)
