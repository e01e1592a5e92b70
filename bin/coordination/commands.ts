// Coordination as commands: names, flags, examples. What they do is loaded when they are called.
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { called, count, examples, given, list, text, word, yes } from "../flag.ts"
import { codes } from "../exit-code.ts"
import { Ended, UsageError } from "../failure.ts"
import { seatFlags } from "./flags.ts"

const chat = Effect.promise(() => import("./chat.ts"))
const looking = Effect.promise(() => import("./look.ts"))
const plan = Effect.promise(() => import("./task.ts"))
const mailbox = Effect.promise(() => import("./mailbox.ts"))
const asking = Effect.promise(() => import("./ask.ts"))

const seconds = (name: string, description: string, otherwise: number) => Flag.Finite(name).pipe(Flag.withDescription(description), Flag.withDefault(otherwise))
const positive = (name: string, value: number): Effect.Effect<void, UsageError> =>
  value >= 0 && value <= 2_000_000 ? Effect.void : Effect.fail(new UsageError({ reason: `--${name} ${value} is no number of seconds that can be waited.` }))

const send = Command.make("send", {
  message: word("message", "What to say"),
  target: Flag.String("target").pipe(Flag.withDescription("A seat, several with commas, globs such as team/*; default: all"), Flag.withDefault("all")),
  "wait-seconds": seconds("wait-seconds", "Stay so long for what others say; default: 2", 2),
  priority: yes("priority", "Also wakes who waits only for what is directed at it"),
  receipt: yes("receipt", "Be told how far it came: aaax receipts"), ...seatFlags
}, Effect.fnUntraced(function*({ message, target, "wait-seconds": waitSeconds, priority, receipt, ...flags }) {
  yield* positive("wait-seconds", waitSeconds)
  yield* (yield* chat).send(yield* called, message, { target, waitSeconds, priority, receipt, ...given(flags) })
})).pipe(
  Command.withDescription("Say something to seats of the hub, and print what is said for a while. Who is away gets it later."),
  examples(["aaax send 'build is red' --target team/ada", "to one seat"], ["aaax send 'hello' --wait-seconds 0", "to everybody, without staying"])
)

const wait = Command.make("wait", {
  for: text("for", "Messages for this seat; default: the own one"),
  timeout: seconds("timeout", "Seconds to wait at most; default: 0, without end", 0),
  "directed-only": yes("directed-only", "Not woken by what is for everybody, unless it is urgent"), ...seatFlags
}, Effect.fnUntraced(function*({ timeout, "directed-only": directedOnly, ...flags }) {
  yield* positive("timeout", timeout)
  yield* (yield* chat).wait(yield* called, { timeout, directedOnly, ...given(flags) })
})).pipe(
  Command.withDescription("Wait for the next message, print it and end: 0 with a message, 1 no hub, 2 nobody wrote in time, 3 the connection broke. Connects as NAME-rx, so that NAME stays free."),
  examples(["aaax wait --name team/ada --directed-only", "until somebody writes to that seat"], ["aaax wait --timeout 60 || echo nobody", "at most a minute"])
)

const listen = Command.make("listen", { for: text("for", "Only messages for this seat, and no presence"), ...seatFlags }, Effect.fnUntraced(function*(flags) {
  yield* (yield* chat).listen(yield* called, given(flags))
})).pipe(
  Command.withDescription("Print what is said and who comes and goes, until Ctrl-C; connects again by itself."),
  examples(["aaax listen --name monitor", "everything"], ["aaax listen --for team/ada --json", "what is for one seat, one object per line"])
)

const who = Command.make("who", { project: text("project", "Only this seat and those below it: team is team and team/…"), ...seatFlags }, Effect.fnUntraced(function*(flags) {
  yield* (yield* looking).who(yield* called, given(flags))
})).pipe(Command.withDescription("Seats that are online."), examples(["aaax who", "all of them"], ["aaax who --project team", "those of a team"]))

const state = Command.make("state", { owner: text("owner", "Only claims of this seat and those below it"), ...seatFlags }, Effect.fnUntraced(function*(flags) {
  yield* (yield* looking).state(yield* called, given(flags))
})).pipe(Command.withDescription("Live claims: who holds what, and which files go with it."), examples(["aaax state", "all of them"], ["aaax state --owner team", "those of a team"]))

const board = Command.make("board", seatFlags, Effect.fnUntraced(function*(flags) {
  yield* (yield* looking).board(yield* called, given(flags))
})).pipe(Command.withDescription("The plan: tasks, which of them can be begun, and the newest notes."), examples(["aaax board", "all of it"], ["aaax board --json | jq .ready", "ids that can be begun"]))

const manifest = Command.make("manifest", { "task-class": text("task-class", "Only seats that take tasks of this class"), ...seatFlags },
  Effect.fnUntraced(function*({ "task-class": taskClass, ...flags }) {
    yield* (yield* looking).manifest(yield* called, given({ taskClass, ...flags }))
  })).pipe(Command.withDescription("What the seats say that they can do."), examples(["aaax manifest", "all of them"], ["aaax manifest --task-class review", "who reviews"]))

const id = word("id", "Id of the task")
const expectedVersion = count("expected-version", "Refused unless the task has this version; 0: it must be new")
const suggestedOwner = text("suggested-owner", "Who should do it")
const taskDeclare = Command.make("declare", {
  id, title: Flag.String("title").pipe(Flag.withDescription("What it is"), Flag.withDefault("")), "depends-on": list("depends-on", "A task that must be done before; may be repeated"),
  description: text("description", "More of it"), "suggested-owner": suggestedOwner, "expected-version": expectedVersion, ...seatFlags
}, Effect.fnUntraced(function*({ id: task, title, "depends-on": dependsOn, "suggested-owner": owner, "expected-version": version, ...flags }) {
  yield* (yield* plan).declare(yield* called, task, { title, dependsOn, ...given({ suggestedOwner: owner, expectedVersion: version, ...flags }) })
})).pipe(Command.withDescription("Put a task into the plan, or say anew what it is."), examples(["aaax task declare api --title 'The API' --depends-on schema", "once schema is done"]))
const taskUpdate = Command.make("update", {
  id, status: text("status", "open, in_progress, blocked, done or cancelled"), "suggested-owner": suggestedOwner, "expected-version": expectedVersion, ...seatFlags
}, Effect.fnUntraced(function*({ id: task, "suggested-owner": owner, "expected-version": version, ...flags }) {
  yield* (yield* plan).update(yield* called, task, given({ suggestedOwner: owner, expectedVersion: version, ...flags }))
})).pipe(Command.withDescription("Change a task of the plan."), examples(["aaax task update api --status done", "what depends on it can be begun"]))
const taskProgress = Command.make("progress", {
  id, note: word("text", "What there is to say"), kind: Flag.String("kind").pipe(Flag.withDescription("note, blocked or assessment"), Flag.withDefault("note")), ...seatFlags
}, Effect.fnUntraced(function*({ id: task, note, kind, ...flags }) {
  yield* (yield* plan).progress(yield* called, task, note, { kind, ...given(flags) })
})).pipe(Command.withDescription("Say how a task goes."), examples(["aaax task progress api 'half of the routes'", "a note"], ["aaax task progress api 'no schema yet' --kind blocked", "that it does not go on"]))
const task = Command.make("task", {}, () => Effect.fail(new Ended({ code: codes.failed, reason: "usage: aaax task {declare,update,progress} ID …" }))).pipe(
  Command.withDescription("The plan: declare, change and report on tasks."),
  examples(["aaax task declare api --title 'The API'", "a task"], ["aaax board", "all of them"]),
  Command.withSubcommands([taskDeclare, taskUpdate, taskProgress])
)

const inbox = Command.make("inbox", {
  wait: yes("wait", "Stay until there is a message"), timeout: count("timeout", "With --wait: seconds to stay at most; then exit 7"),
  limit: count("limit", "At most so many"), peek: yes("peek", "Look, and leave them unread"), handled: yes("handled", "Say that they are dealt with, not only read"), ...seatFlags
}, Effect.fnUntraced(function*({ wait: stays, peek, handled, ...flags }) {
  const { timeout } = given(flags)
  if (timeout !== undefined) yield* positive("timeout", timeout)
  yield* (yield* mailbox).inbox(yield* called, { wait: stays, peek, handled, ...given(flags) })
})).pipe(
  Command.withDescription("Messages that wait for the seat, oldest first; also those that came while nobody was there."),
  examples(["aaax inbox", "what waits"], ["aaax inbox --wait --json", "the next ones, one object per line"], ["aaax inbox --peek", "without marking them as read"])
)

const receipts = Command.make("receipts", {
  message: Argument.Int("message").pipe(Argument.withDescription("Number of a message"), Argument.optional),
  dead: yes("dead", "Only those that nobody took in time"), limit: count("limit", "At most so many"), ...seatFlags
}, Effect.fnUntraced(function*({ message, dead, ...flags }) {
  yield* (yield* mailbox).receipts(yield* called, { dead, ...given({ message: Option.isSome(message) ? message : Option.none<number>(), ...flags }) })
})).pipe(
  Command.withDescription("How far messages came with each of those they were for: accepted, delivered, read, handled or dead."),
  examples(["aaax receipts 12", "of one message"], ["aaax receipts --dead", "what nobody took"])
)

const handoff = Command.make("handoff", {
  task: word("task", "A task that the seat holds"), to: word("to", "The seat that takes it on; it must be there"),
  note: text("note", "What it should know"), epoch: count("epoch", "Refused unless the claim has this epoch"), ...seatFlags
}, Effect.fnUntraced(function*({ task: held, to, ...flags }) {
  yield* (yield* mailbox).handoff(yield* called, held, to, given(flags))
})).pipe(
  Command.withDescription("Move a claim to another seat, without a moment in which nobody holds it."),
  examples(["aaax handoff api team/bob --note 'tests are missing'", "with its files and its checkpoint"])
)

const ask = Command.make("ask", {
  file: Argument.String("file").pipe(Argument.withDescription("Requests, one object per line; default: standard input"), Argument.optional), ...seatFlags
}, Effect.fnUntraced(function*({ file, ...flags }) {
  yield* (yield* asking).ask(yield* called, Option.getOrUndefined(file), given(flags))
})).pipe(
  Command.withDescription("Be a seat that a file or a pipe drives: every request is answered by a line of JSON, one after the other. For agents that know no WebSocket."),
  examples(
    [`echo '{"verb":"checkpoint","task":"api","checkpoint":"routes are done"}' | aaax ask --seat ada`, "any request of protocol/coordination.ts"],
    [`tail -f commands.ndjson | aaax ask --seat ada`, `short ones, too: {"k":"claim","id":"api"}, {"k":"chat","p":"done","to":"bob"}`]
  )
)

/** In the order of the help. */
export const coordinationCommands = [who, state, board, task, manifest, send, inbox, wait, listen, receipts, handoff, ask] as const
