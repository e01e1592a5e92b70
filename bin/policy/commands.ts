// The commands of policy, and the kill switch.
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Option from "effect/Option"
import { called, examples, given, text, word } from "../flag.ts"
import { proof } from "../gate/commands.ts"

const cedar = {
  schema: text("schema", "For a .cedar file: its schema; default: the only .cedarschema beside it"),
  entities: text("entities", "For a .cedar file: its entities, a JSON file")
}
const file = word("file", "A rule table or rules (TOML, JSON, TypeScript), a config, a .cedar file, \"default\" or \"granted\"")
const reason = text("reason", "Why, for the journal")

const show = Command.make("show", {}, Effect.fnUntraced(function*() {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.showPolicy(yield* called)
})).pipe(Command.withDescription("The policy in force: its version, its rules, and who put it there."), examples(["aaax policy show --json", "with its text, as far as it is data"]))

const check = Command.make("check", { file, ...cedar }, Effect.fnUntraced(function*({ file: name, ...flags }) {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.check(yield* called, name, given(flags))
})).pipe(
  Command.withDescription("Whether a file is a policy; exit 2 with every mistake and its place when it is not. Needs no kernel."),
  examples(["aaax policy check rules.toml", "a rule table"], ["aaax policy check policy/ours.cedar --schema policy/ours.cedarschema", "Cedar, strictly"])
)

const test = Command.make("test", {
  file, since: text("since", "Not older than: 30d, 12h, or a date; default: everything"), ...cedar
}, Effect.fnUntraced(function*({ file: name, ...flags }) {
  const trying = yield* Effect.promise(() => import("./try.ts"))
  yield* trying.test(yield* called, name, given(flags))
})).pipe(
  Command.withDescription("Decide the journal again with another policy: what it would newly deny, escalate or allow, by system. Changes nothing of it; works without a running kernel, too."),
  examples(["aaax policy test stricter.toml --since 30d", "before you put it in force"], ["aaax policy test default --json", "with the newest changes, one by one"])
)

const explain = Command.make("explain", {
  request: Argument.String("request").pipe(Argument.withDescription("Id of a request; default: the action of the flags"), Argument.optional),
  question: text("question", "A question as JSON, @file or - for standard input"),
  system: text("system", "Who asks; default: terminal"),
  executor: text("executor", "Executor of an action"),
  target: text("target", "Its target"),
  action: text("action", "Its word; default: the executor's name"),
  risk: text("risk", "low, medium, high, irreversible; default: medium"),
  payload: text("payload", "JSON, @file or -")
}, Effect.fnUntraced(function*({ request, ...flags }) {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.explain(yield* called, Option.getOrUndefined(request), given(flags))
})).pipe(
  Command.withDescription("What each rule says to a request or a question, and why."),
  examples(["aaax policy explain 01993b7c-2f", "then and now"], ["aaax policy explain --executor fs.write --target /etc/passwd --risk high", "what would be said"])
)

const activate = Command.make("activate", { file, ...cedar, reason, ...proof }, Effect.fnUntraced(function*({ file: name, ...flags }) {
  const change = yield* Effect.promise(() => import("./change.ts"))
  yield* change.activate(yield* called, name, given(flags))
})).pipe(
  Command.withDescription("Put a rule table or Cedar files in force now, over the config's policy and also after a restart, until it is reverted."),
  examples(["aaax policy activate stricter.toml --reason 'incident 12'", "try it on the journal first: aaax policy test"])
)

const log = Command.make("log", {}, Effect.fnUntraced(function*() {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.log(yield* called)
})).pipe(Command.withDescription("Every policy that was in force, newest first."), examples(["aaax policy log", "with who put it there, and why"]))

const revert = Command.make("revert", {
  version: Argument.String("version").pipe(Argument.withDescription("A version of aaax policy log, or \"config\"; default: the one before"), Argument.optional), reason, ...proof
}, Effect.fnUntraced(function*({ version, ...flags }) {
  const change = yield* Effect.promise(() => import("./change.ts"))
  yield* change.revert(yield* called, Option.getOrUndefined(version), given(flags))
})).pipe(Command.withDescription("Put a policy in force again."), examples(["aaax policy revert", "the one before"], ["aaax policy revert config", "what the config says"]))

const policy = Command.make("policy", {}, Effect.fnUntraced(function*() {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.showPolicy(yield* called)
})).pipe(
  Command.withDescription("What decides: look at it, try another one on the journal, put it in force, take it back."),
  examples(["aaax policy", "what is in force"]),
  Command.withSubcommands([show, check, test, explain, activate, log, revert])
)

const freeze = Command.make("freeze", { reason }, Effect.fnUntraced(function*({ reason: why }) {
  const change = yield* Effect.promise(() => import("./change.ts"))
  yield* change.freeze(yield* called, Option.getOrUndefined(why))
})).pipe(
  Command.withDescription("The kill switch: every new action is denied as unavailable and nothing starts, also after a restart, until it is thawed. What is under way goes on."),
  examples(["aaax freeze --reason 'something is wrong'", "at once"])
)

const thaw = Command.make("thaw", { reason, ...proof }, Effect.fnUntraced(function*(flags) {
  const change = yield* Effect.promise(() => import("./change.ts"))
  yield* change.thaw(yield* called, given(flags))
})).pipe(Command.withDescription("Let actions start again."), examples(["aaax thaw --reason 'it was a false alarm'", "go on"]))

export const policyCommands = [policy, freeze, thaw] as const
