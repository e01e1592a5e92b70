// `aaax gate` and `aaax why` as commands: names, flags, examples. What they do is loaded when they are called.
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { called, count, examples, given, text, word, yes } from "../flag.ts"

const inbox = Effect.promise(() => import("./inbox.ts"))
const answers = Effect.promise(() => import("./answer.ts"))
const standings = Effect.promise(() => import("./standing.ts"))
const passphrases = Effect.promise(() => import("./passphrase.ts"))

const request = word("request", "Id of a request, or its beginning")
const maybeRequest = Argument.String("request").pipe(Argument.withDescription("Id of a request, or its beginning; or say which with --match"), Argument.optional)
const system = text("system", "Only requests of this system")
const match = text("match", "All that wait and match EXECUTOR:TARGET, both globs, such as fs.write:docs/**")
/** What proves that a human says it. */
export const proof = {
  code: text("code", "The code that the kernel's terminal shows; a person is asked for it"),
  passphrase: text("passphrase", "The passphrase of approvals: @FILE, or - for standard input; a person is asked for it")
}
const certain = yes("yes", "Ask nothing: it is meant")

const listFlags = {
  state: text("state", "Only this state, also closed ones: escalated, started, unknown, succeeded, …"), system,
  match: text("match", "Only those that match EXECUTOR:TARGET, both globs"), group: yes("group", "One line for each kind of action")
}
const gateList = Command.make("ls", listFlags, Effect.fnUntraced(function*(flags) {
  const { group, ...rest } = given(flags)
  yield* (yield* inbox).list(yield* called, { group: group ?? false, ...rest })
})).pipe(
  Command.withDescription("What waits for a human, by risk and age; what ended unknown; what is under way."),
  examples(["aaax gate ls", "what is open"], ["aaax gate ls --group", "many at once, by kind"], ["aaax gate ls --state unknown", "what nobody knows the outcome of"])
)

const gateShow = Command.make("show", {
  request, receipt: yes("receipt", "The signed receipts instead, for aaax-verify: of the verdict and, when it has one, of the outcome")
}, Effect.fnUntraced(function*({ receipt, request: id }) {
  if (receipt) return yield* (yield* Effect.promise(() => import("../evidence/commands.ts"))).receipt(yield* called, id)
  const { showOne } = yield* Effect.promise(() => import("./story.ts"))
  yield* showOne(yield* called, id)
})).pipe(
  Command.withDescription("The whole story of one request: final arguments, authority, answers, attempts, receipt."),
  examples(["aaax gate show 01993b", "by the beginning of its id"], ["aaax gate show 01993b --receipt > receipts.jws", "what the kernel signs for it"])
)

const gateApprove = Command.make("approve", {
  request: maybeRequest, reason: text("reason", "Why, for the journal"), digest: text("digest", "Approve only this digest"), ...proof,
  for: text("for", "And allow more of the same for so long: 10m, 2h"), target: text("target", "With --for: a glob over targets; default: the very same one"),
  uses: count("uses", "With --for: so many times at most"), match, system, yes: certain
}, Effect.fnUntraced(function*({ request: id, ...flags }) {
  const { yes: sure, ...rest } = given(flags)
  yield* (yield* answers).approve(yield* called, Option.getOrUndefined(id), { yes: sure ?? false, ...rest })
})).pipe(
  Command.withDescription("Let it happen, exactly as shown. From risk high up it needs the code on the kernel's terminal, or the passphrase."),
  examples(
    ["aaax gate approve 01993b --reason 'looks right'", "once, with these arguments"],
    ["aaax gate approve 01993b --for 10m --target 'docs/**' --uses 20", "and more of the same, after seeing what that would have matched"],
    ["aaax gate approve --match 'fs.write:docs/**' --system survey", "all that match, each bound to its own digest"]
  )
)

const gateDeny = Command.make("deny", {
  request: maybeRequest, reason: Flag.String("reason").pipe(Flag.withDescription("Why; the requester is told"), Flag.withDefault("the operator said no")), match, system, yes: certain
}, Effect.fnUntraced(function*({ request: id, ...flags }) {
  const { reason, yes: sure, ...rest } = given(flags)
  yield* (yield* answers).deny(yield* called, Option.getOrUndefined(id), { reason: reason ?? "", yes: sure ?? false, ...rest })
})).pipe(
  Command.withDescription("Refuse it."),
  examples(["aaax gate deny 01993b --reason 'not on a Friday'", "with a reason"], ["aaax gate deny --match 'process.run:rm'", "all that match"])
)

const gateEdit = Command.make("edit", {
  request, payload: Flag.String("payload").pipe(Flag.withDescription("The other arguments: JSON, @file, or - for standard input")), reason: text("reason", "Why, for the journal"),
  digest: text("digest", "Only when it still has this digest"), approve: yes("approve", "And approve it, as it then is"), ...proof
}, Effect.fnUntraced(function*({ payload, request: id, ...flags }) {
  const { approve, ...rest } = given(flags)
  yield* (yield* answers).edit(yield* called, id, { payload, approve: approve ?? false, ...rest })
})).pipe(
  Command.withDescription("Put other arguments in place of those that wait. They are checked anew and wait under a digest of their own."),
  examples(["aaax gate edit 01993b --payload '{\"args\":[\"status\"]}' --approve", "something harmless instead"])
)

const gateReconcile = Command.make("reconcile", {
  request,
  outcome: Argument.Literals("outcome", ["succeeded", "failed"]).pipe(Argument.withDescription("What became of it")),
  reason: Flag.String("reason").pipe(Flag.withDescription("How you know"), Flag.withDefault("the operator looked"))
}, Effect.fnUntraced(function*({ outcome, reason, request: id }) {
  yield* (yield* answers).reconcile(yield* called, id, outcome, reason)
})).pipe(
  Command.withDescription("Say what became of an action that nobody knows the outcome of."),
  examples(["aaax gate reconcile 01993b succeeded --reason 'the file is there'", "after a crash in the middle of a call"])
)

const gateCompensate = Command.make("compensate", {
  request, reason: Flag.String("reason").pipe(Flag.withDescription("Why, for the journal"), Flag.withDefault("the operator took it back")), ...proof
}, Effect.fnUntraced(function*({ request: id, ...flags }) {
  const { reason, ...rest } = given(flags)
  yield* (yield* answers).compensate(yield* called, id, { reason: reason ?? "", ...rest })
})).pipe(
  Command.withDescription("Take back the effect of one that succeeded, where its executor can: fs.write puts back what was there."),
  examples(["aaax gate compensate 01993b2e-7c1a-7000-8000-000000000000", "by its whole id"])
)

const gateWatch = Command.make("watch", {}, Effect.fnUntraced(function*() {
  yield* (yield* inbox).watch(yield* called)
})).pipe(Command.withDescription("What waits, and every answer, as it comes; until Ctrl-C."), examples(["aaax gate watch --json", "one object per line"]))

const standingList = Command.make("ls", {}, Effect.fnUntraced(function*() {
  yield* (yield* standings).list(yield* called)
})).pipe(Command.withDescription("Standing approvals that are in force."), examples(["aaax gate standing ls", "and what they were used for"]))
const standingRevoke = Command.make("revoke", { standing: word("standing", "Id of a standing approval, or of the request that it was given with") }, Effect.fnUntraced(function*({ standing }) {
  yield* (yield* standings).revoke(yield* called, standing)
})).pipe(Command.withDescription("End one at once; what it would have let pass asks again."), examples(["aaax gate standing revoke 01993b", "by its request"]))
const gateStanding = Command.make("standing", {}, Effect.fnUntraced(function*() {
  yield* (yield* standings).list(yield* called)
})).pipe(
  Command.withDescription("What was allowed for a while: see approve --for."), examples(["aaax gate standing", "what is in force"]), Command.withSubcommands([standingList, standingRevoke])
)

const from = text("from", "@FILE, or - for standard input; a person is asked")
const passphraseSet = Command.make("set", { from }, Effect.fnUntraced(function*({ from: given_ }) {
  yield* (yield* passphrases).set(yield* called, Option.getOrUndefined(given_))
})).pipe(
  Command.withDescription("Set the passphrase that approvals may be proved with. It counts from the kernel's next start."),
  examples(["aaax gate passphrase set", "typed, unseen"], ["aaax gate passphrase set --from -", "from standard input"])
)
const passphraseHash = Command.make("hash", { from }, Effect.fnUntraced(function*({ from: given_ }) {
  yield* (yield* passphrases).hash(yield* called, Option.getOrUndefined(given_))
})).pipe(Command.withDescription("Print what is kept of a passphrase, for a config (approvals.passphrase)."), examples(["aaax gate passphrase hash", "writes nothing"]))
const gatePassphrase = Command.make("passphrase").pipe(
  Command.withDescription("The passphrase of approvals, for a kernel without a terminal."), Command.withSubcommands([passphraseSet, passphraseHash])
)

export const gate = Command.make("gate", {}, Effect.fnUntraced(function*() {
  yield* (yield* inbox).list(yield* called, { group: false })
})).pipe(
  Command.withDescription("What waits at the gate, and your answers."),
  examples(["aaax gate", "what is open"]),
  Command.withSubcommands([gateList, gateShow, gateApprove, gateDeny, gateEdit, gateReconcile, gateCompensate, gateWatch, gateStanding, gatePassphrase])
)

export const why = Command.make("why", { what: word("what", "A path, or the id of an event or a request") }, Effect.fnUntraced(function*({ what }) {
  const explaining = yield* Effect.promise(() => import("../why.ts"))
  yield* explaining.why(yield* called, what)
})).pipe(
  Command.withDescription("Who changed a path last and with what authority, or why an event is there and what came of it."),
  examples(["aaax why docs/plan.md", "the last action on it, its grant and its approval"], ["aaax why 01993b2c-7a10-7000-8000-0123456789ab", "an event or a request"])
)
