// The commands of capabilities. What they do is loaded when one is called.
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { capToken } from "../enroll/commands.ts"
import { called, count, examples, given, list, text, word } from "../flag.ts"

const verbs = Effect.promise(() => import("./verbs.ts"))

const narrowing = {
  target: list("target", "Only targets like this: * within a segment, ** across; may be repeated"),
  action: list("action", "Only actions whose word is like this; may be repeated"),
  arg: list("arg", "POINTER=OP:VALUE that an argument must be: /path=glob:src/**, /depth=le:3, /force=absent; may be repeated"),
  budget: list("budget", "UNIT=AMOUNT that all actions may spend together: tokens, microdollars, millis, actions, concurrency; may be repeated"),
  risk: text("risk", "Highest risk of an action: low, medium, high or irreversible"),
  uses: count("uses", "So many actions, those of everybody that it is delegated to included"),
  rate: text("rate", "So many starts within any span: 10/1m"),
  delegations: count("delegations", "How often it may be passed on, one after the other; 0: not at all"),
  access: text("access", "read, write or execute"),
  from: text("from", "Allows nothing before so long: 10m, 2h"),
  ttl: text("ttl", "How long it is good: 30s, 10m, 2h, 7d")
}

/** The lists are always there, the others when they are given. */
const limitsOf = <Flags extends { readonly target: ReadonlyArray<string>; readonly action: ReadonlyArray<string>; readonly arg: ReadonlyArray<string>; readonly budget: ReadonlyArray<string> }>(
  { action, arg, budget, target, ...rest }: Flags
) => ({ ...given(rest), action, arg, budget, target })

const filter = { holder: text("holder", "Only what this system holds"), resource: text("resource", "Only what is for this resource"), limit: count("limit", "At most so many; default 100, at most 1000") }

const ls = Command.make("ls", filter, Effect.fnUntraced(function*(flags) {
  yield* (yield* verbs).list(yield* called, given(flags))
})).pipe(
  Command.withDescription("Grants that are in force, oldest first."),
  examples(["aaax cap ls", "all of them"], ["aaax cap ls --holder writer --json", "what one system holds"])
)
const show = Command.make("show", { id: word("id", "A capability, or its beginning") }, Effect.fnUntraced(function*({ id }) {
  yield* (yield* verbs).showOne(yield* called, id)
})).pipe(
  Command.withDescription("One grant: its limits, those of every grant above it, and what is left."),
  examples(["aaax cap show issued:3:120", "what it allows, and under what"])
)
const issue = Command.make("issue", { system: word("system", "Who gets it; it must be docked"), resource: word("resource", "An executor, or another resource"), ...narrowing },
  Effect.fnUntraced(function*({ resource, system, ...flags }) {
    yield* (yield* verbs).issue(yield* called, system, resource, limitsOf(flags))
  })).pipe(
  Command.withDescription("Give a system a capability. It lasts an hour unless --ttl says otherwise; access is execute unless --access does."),
  examples(
    ["aaax cap issue writer fs.write --target 'reports/**' --uses 3 --ttl 10m", "three files, in ten minutes"],
    ["aaax cap issue worker process.run --arg '/args/0=in:[\"status\",\"diff\"]' --risk high --rate 10/1m", "two words of one program, ten times a minute"]
  )
)
const delegate = Command.make("delegate", {
  id: word("id", "A capability, or its beginning"), system: word("system", "Who gets a part of it; it must be docked"),
  facet: Flag.Boolean("facet").pipe(Flag.withDescription("May be used, and neither passed on nor kept: ends with this run of the kernel, in an hour at the latest"), Flag.withDefault(false)),
  ...narrowing
}, Effect.fnUntraced(function*({ facet, id, system, ...flags }) {
  yield* (yield* verbs).delegate(yield* called, id, system, { facet, ...limitsOf(flags) })
})).pipe(
  Command.withDescription("Make a narrower capability of one, in its holder's place. It is checked together with it, and ends with it."),
  examples(
    ["aaax cap delegate issued:3:120 helper --uses 1", "a part of it for another system"],
    ["aaax cap delegate issued:3:120 helper --facet --ttl 1m", "to be used, not to be kept"]
  )
)
const revoke = Command.make("revoke", { id: word("id", "A capability, or its beginning") }, Effect.fnUntraced(function*({ id }) {
  yield* (yield* verbs).revoke(yield* called, id)
})).pipe(
  Command.withDescription("End a capability and everything that was delegated from it, and interrupt what is under way under it. Asks nothing."),
  examples(["aaax cap revoke issued:3:120", "and the tree below it"])
)

export const cap = Command.make("cap", filter, Effect.fnUntraced(function*(flags) {
  yield* (yield* verbs).list(yield* called, given(flags))
})).pipe(
  Command.withDescription("Who may use what, within which limits."), examples(["aaax cap", "grants that are in force"]),
  Command.withSubcommands([ls, show, issue, delegate, revoke, capToken])
)
