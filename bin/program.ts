// The tree of commands: names, flags, examples. What a command does is loaded when it is called.
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { cap } from "./capability/commands.ts"
import { claims } from "./claims/commands.ts"
import { coordinationCommands } from "./coordination/commands.ts"
import { runningCommands } from "./coordination/running-commands.ts"
import { demo } from "./demo/commands.ts"
import { enroll } from "./enroll/commands.ts"
import { UsageError } from "./failure.ts"
import { called, count, Dir, examples, given, Json, text, word, yes } from "./flag.ts"
import { gate, proof, why } from "./gate/commands.ts"
import { git } from "./git-hooks/commands.ts"
import { templates } from "./init/templates.ts"
import { lock } from "./lock/commands.ts"
import { policyCommands } from "./policy/commands.ts"
import { eventFlags, portableCommands, store as portableStore } from "./sssn/commands.ts"

const launch = Command.make("launch", {
  config: Argument.String("config").pipe(Argument.withDescription("A config file; default: the one in the folder, else the survey of it"), Argument.optional),
  once: yes("once", "Boot in memory, do one step, print the snapshot and end"),
  publish: yes("publish", "Serve PUBLIC channels, resources and the whole API to everybody who has a token"),
  host: text("host", "Address to publish on; default: the config's, else 127.0.0.1"),
  port: count("port", "Port to publish on; default: the config's, else 8100 or the next free one"),
  store: text("store", "Where events are kept: a path, or :memory:")
}, Effect.fnUntraced(function*(flags) {
  // Before anything is looked at: the two contradict each other whatever the folder holds.
  if (flags.once && flags.publish) return yield* new UsageError({ reason: "--once cannot be combined with --publish." })
  const { config, host, port, publish, store, once } = given(flags)
  if (port !== undefined && (port < 0 || port > 65_535)) return yield* new UsageError({ reason: `--port ${port} is not a port: 0 to 65535.` })
  const { launch: run } = yield* Effect.promise(() => import("./launch.ts"))
  yield* run(yield* called, {
    once: once ?? false, publish: publish ?? false,
    ...(config === undefined ? {} : { config }), ...(store === undefined ? {} : { store }),
    ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port })
  })
})).pipe(
  Command.withDescription("Start the constellation of a folder. Ctrl-C drains and ends it; a second Ctrl-C ends it at once."),
  examples(
    ["aaax launch", "the config of this folder, or a survey of it when there is none"],
    ["aaax launch --dir ../other", "the same for another folder"],
    ["aaax launch --publish --port 9000", "open to everybody who has a token: aaax token mint"],
    ["aaax launch aaax.toml --once", "boot in memory, print the snapshot, end"],
    ["aaax launch --store :memory:", "keep nothing"]
  )
)

const init = Command.make("init", {
  folder: Argument.String("folder").pipe(Argument.withDescription("Where; default: this folder"), Argument.optional),
  template: Flag.Literals("template", templates).pipe(Flag.withDescription("hello: a module and its test. empty: a config and a channel"), Flag.withDefault("hello" as const)),
  yes: yes("yes", "Ask nothing").pipe(Flag.withAlias("y"))
}, Effect.fnUntraced(function*({ folder, ...flags }) {
  const beginning = yield* Effect.promise(() => import("./init/init.ts"))
  yield* beginning.init(yield* called, Option.getOrUndefined(folder), flags)
})).pipe(
  Command.withDescription("Begin a project: a config, a module and its test. Overwrites nothing."),
  examples(["aaax init my-agents", "a new folder"], ["aaax init --template empty --json", "here, with nothing but a channel"])
)

const status = Command.make("status", {}, Effect.fnUntraced(function*() {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.status(yield* called)
})).pipe(
  Command.withDescription("What runs, where it keeps things, and what waits for you."),
  examples(["aaax status", "a summary"], ["aaax status --json | jq .waiting", "how many actions wait"])
)

const ps = Command.make("ps", {}, Effect.fnUntraced(function*() {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.ps(yield* called)
})).pipe(Command.withDescription("Docked systems and their state."), examples(["aaax ps", "all of them"], ["aaax ps --json", "with wiring, grants and powers"]))

const executors = Command.make("executors", {}, Effect.fnUntraced(function*() {
  const served = yield* Effect.promise(() => import("./executors.ts"))
  yield* served.executors(yield* called)
})).pipe(Command.withDescription("Executors that are served, and what they declare."), examples(["aaax executors", "with their highest risk"], ["aaax executors --json", "as data"]))

const secrets = Command.make("secrets", {}, Effect.fnUntraced(function*() {
  const served = yield* Effect.promise(() => import("./executors.ts"))
  yield* served.secrets(yield* called)
})).pipe(Command.withDescription("Secrets of the config: where from, what for, and whether they can be read. Never their values."), examples(["aaax secrets", "all of them"]))

const channels = Command.make("channels", { store: portableStore }, Effect.fnUntraced(function*(flags) {
  if (Option.isSome(flags.store)) {
    const { channels: list } = yield* Effect.promise(() => import("./sssn/verbs.ts"))
    return yield* list(yield* called, given(flags))
  }
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.channels(yield* called)
})).pipe(
  Command.withDescription("Channels, their heads, and what waits in queues."),
  examples(["aaax channels", "all of them"], ["aaax channels --store .sssn", "those of a directory, one object per line"])
)

const read = Command.make("read", {
  channel: word("channel", "Name of a channel"),
  after: count("after", "Events behind this cursor; default 0, from the oldest"),
  limit: count("limit", "At most so many; default 100, at most 1000"),
  kind: text("kind", "Only events of this kind")
}, Effect.fnUntraced(function*({ channel, ...flags }) {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.read(yield* called, channel, given(flags))
})).pipe(
  Command.withDescription("A page of one channel, oldest first."),
  examples(["aaax read repo.files --limit 20", "the first twenty"], ["aaax read repo.files --after 20 --json", "the next page, as JSON"])
)

const tail = Command.make("tail", {
  pattern: word("pattern", "A channel, or a pattern with * for any characters"),
  since: text("since", "Not older than: 30s, 10m, 2h, 1d, or a date"),
  after: count("after", "Behind this cursor, in each channel"),
  last: count("last", "The newest so many of each channel; default 100"),
  kind: text("kind", "Only events of this kind"),
  follow: yes("follow", "Go on with what happens from now on").pipe(Flag.withAlias("f"))
}, Effect.fnUntraced(function*({ pattern, follow, ...flags }) {
  const tailing = yield* Effect.promise(() => import("./tail.ts"))
  yield* tailing.tail(yield* called, pattern, { follow, ...given(flags) })
})).pipe(
  Command.withDescription("Events of all channels that match, in order of time."),
  examples(
    ["aaax tail 'repo.*' --follow", "what happens, as it happens"],
    ["aaax tail 'repo.*' --since 10m --kind file", "what happened"],
    ["aaax tail repo.facts --after 0 --json | wc -l", "everything, one object per line"]
  )
)

const append = Command.make("append", {
  channel: word("channel", "Name of a channel"),
  data: word("data", "JSON or text; @file or - for standard input. With --store: JSON"),
  kind: text("kind", "Kind of the event; default: event"),
  key: text("key", "Makes it repeatable: the same key and data append once"),
  subject: text("subject", "What it is about, for channels that keep the newest of each subject"),
  ...eventFlags,
  store: portableStore
}, Effect.fnUntraced(function*({ channel, data, "correlation-id": correlationId, key, "parent-id": parentId, subject, ...flags }) {
  const event = { ...given({ ...flags, correlationId }), parentId }
  if (Option.isSome(flags.store)) {
    const { append: appendTo } = yield* Effect.promise(() => import("./sssn/verbs.ts"))
    if (Option.isSome(key) || Option.isSome(subject)) return yield* new UsageError({ reason: "--key and --subject are a kernel's: a .sssn directory has neither." })
    return yield* appendTo(yield* called, channel, data, event)
  }
  const appending = yield* Effect.promise(() => import("./append.ts"))
  yield* appending.append(yield* called, channel, data, { ...event, ...given({ key, subject }) })
})).pipe(
  Command.withDescription("Append one event as operator, or to a .sssn directory."),
  examples(
    ["aaax append echo.in '{\"text\":\"hi\"}' --kind note", "an event"], ["git diff | aaax append repo.notes - --key today", "standard input, once"],
    ["aaax append events '{\"n\":1}' --store .sssn", "to a directory"]
  )
)

const snapshotGet = Command.make("get", { name: word("name", "Name of a snapshot") }, Effect.fnUntraced(function*({ name }) {
  const look = yield* Effect.promise(() => import("./look.ts"))
  yield* look.snapshot(yield* called, name)
})).pipe(Command.withDescription("The latest value of a name."), examples(["aaax snapshot get repo.survey", "what the survey found"]))
const snapshot = Command.make("snapshot").pipe(Command.withDescription("Latest values of names."), Command.withSubcommands([snapshotGet]))

const act = Command.make("act", {
  executor: word("executor", "Which executor, such as fs.write or process.run"),
  target: word("target", "What it acts on: a path, a program"),
  payload: text("payload", "JSON, @file, or - for standard input"),
  risk: text("risk", "low, medium, high or irreversible; never less than the executor declares; not said: medium"),
  action: text("action", "A word for what is done; default: the executor's name"),
  key: text("key", "Makes the request repeatable"),
  wait: yes("wait", "Stay until there is a receipt, also while a human is asked"),
  timeout: count("timeout", "Seconds to stay at most; then exit 7, the action goes on")
}, Effect.fnUntraced(function*({ executor, target, timeout, ...flags }) {
  const acting = yield* Effect.promise(() => import("./act.ts"))
  const timeoutSeconds = Option.getOrUndefined(timeout)
  const { wait, ...rest } = given(flags)
  yield* acting.act(yield* called, executor, target, { wait: wait ?? false, ...rest, ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }) })
})).pipe(
  Command.withDescription("Ask the gate for an effect. What cannot be undone is parked until a human answers."),
  examples(
    ["aaax act fs.write note.md --payload '{\"content\":\"hi\"}'", "write a file below a declared root"],
    ["aaax act process.run git --payload '{\"args\":[\"status\"]}' --wait", "run a program, once somebody approved it"]
  )
)

const system = word("id", "Id of a docked system")
const change = <const Verb extends "pause" | "resume" | "revoke" | "undock">(verb: Verb, description: string) =>
  Command.make(verb, { id: system }, Effect.fnUntraced(function*({ id }) {
    const systems = yield* Effect.promise(() => import("./systems.ts"))
    yield* systems.change(yield* called, verb, id)
  })).pipe(Command.withDescription(description), examples([`aaax ${verb} echo`, description]))
const pause = change("pause", "Stop deliveries to a system and suspend it at its next kernel call.")
const resume = change("resume", "Let a paused or quarantined system go on.")
const revoke = change("revoke", "End a system's grants, interrupt what runs under them, and stop it for good: also after a restart, until it is undocked. Asks nothing.")
const undock = change("undock", "Take a system's port and grants back and stop it.")
const drain = Command.make("drain", { id: system, timeout: count("timeout", "Seconds it may take; default 30") },
  Effect.fnUntraced(function*({ id, timeout }) {
    const systems = yield* Effect.promise(() => import("./systems.ts"))
    yield* systems.drain(yield* called, id, Option.getOrUndefined(timeout))
  })).pipe(Command.withDescription("Give a system no new work, let it finish, then stop it."), examples(["aaax drain survey --timeout 10", "within ten seconds"]))

const modulesList = Command.make("list", {}, Effect.fnUntraced(function*() {
  const systems = yield* Effect.promise(() => import("./systems.ts"))
  yield* systems.modules(yield* called)
})).pipe(Command.withDescription("Modules of the running kernel."), examples(["aaax modules list", "all of them"]))
const modulesLoad = Command.make("load", { file: word("file", "A module file"), id: text("id", "Id to dock it under; default: its own") },
  Effect.fnUntraced(function*({ file, id }) {
    const systems = yield* Effect.promise(() => import("./systems.ts"))
    yield* systems.load(yield* called, file, Option.getOrUndefined(id))
  })).pipe(Command.withDescription("Load a module into the running kernel."), examples(["aaax modules load ./my-module.ts", "dock it now"]))
const moduleFile = word("file", "A module file")
const moduleSign = Command.make("sign", {
  file: moduleFile,
  key: text("key", "File of the publisher's key, made when it is not there; default: ~/.config/aaax/publisher-key.jwk"),
  tier: Flag.Literals("tier", ["worker", "process", "jail"] as const).pipe(Flag.withDescription("The weakest tier that it is to run in"), Flag.withDefault("jail" as const))
}, Effect.fnUntraced(function*({ file, ...flags }) {
  const signing = yield* Effect.promise(() => import("./module-signature.ts"))
  yield* signing.sign(yield* called, file, given(flags))
})).pipe(
  Command.withDescription("Sign a module: every file of it and what it asks for, into a file beside it. Runs it in a process of its own to hear what it asks for."),
  examples(["aaax module sign ./crawler.ts", "writes crawler.ts.signed.json, and prints the key that others trust"])
)
const moduleVerify = Command.make("verify", { file: moduleFile, publisher: text("publisher", "The key that must have signed it") },
  Effect.fnUntraced(function*({ file, publisher }) {
    const signing = yield* Effect.promise(() => import("./module-signature.ts"))
    yield* signing.verify(yield* called, file, Option.getOrUndefined(publisher))
  })).pipe(
  Command.withDescription("Check a module's signature and every file of it. Runs none of its code."),
  examples(["aaax module verify ./crawler.ts", "exit 0 when it holds, 4 when not"])
)
const module = Command.make("module").pipe(Command.withDescription("Sign and verify module files."), Command.withSubcommands([moduleSign, moduleVerify]))

const modulesApprove = Command.make("approve", { id: word("id", "Id of a module that waits") }, Effect.fnUntraced(function*({ id }) {
  const systems = yield* Effect.promise(() => import("./systems.ts"))
  yield* systems.approve(yield* called, id)
})).pipe(
  Command.withDescription("Load a module that waits because it asks for more than was approved, or is another file."),
  examples(["aaax modules approve crawler", "once you have read what it needs: aaax modules"])
)
const modules = Command.make("modules", {}, Effect.fnUntraced(function*() {
  const systems = yield* Effect.promise(() => import("./systems.ts"))
  yield* systems.modules(yield* called)
})).pipe(
  Command.withDescription("Modules of the running kernel."), examples(["aaax modules", "all of them"]),
  Command.withSubcommands([modulesList, modulesLoad, modulesApprove])
)

const account = word("account", "system:GLOB, grant:ID, or a glob over systems")
const budgetList = Command.make("ls", {}, Effect.fnUntraced(function*() {
  const budgets = yield* Effect.promise(() => import("./budget.ts"))
  yield* budgets.list(yield* called)
})).pipe(Command.withDescription("Accounts, with what is spent, held and left."), examples(["aaax budget ls", "all of them"]))
const budgetShow = Command.make("show", { account }, Effect.fnUntraced(function*({ account: name }) {
  const budgets = yield* Effect.promise(() => import("./budget.ts"))
  yield* budgets.showOne(yield* called, name)
})).pipe(Command.withDescription("One account, and for which actions it holds something."), examples(["aaax budget show 'system:*'", "that of all systems together"]))
const budgetSet = Command.make("set", {
  system: word("system", "A glob over systems: * for all together, project for it and all below it"),
  tokens: count("tokens", "Tokens of language models"),
  microdollars: count("microdollars", "Money, in millionths of a dollar"),
  millis: count("millis", "Time of calls, in milliseconds"),
  actions: count("actions", "Actions that are started"),
  concurrency: count("concurrency", "Calls under way at once"),
  per: text("per", "After so long what was spent counts no more: 1h, 1d; default: it counts for good")
}, Effect.fnUntraced(function*({ system: glob, ...flags }) {
  const budgets = yield* Effect.promise(() => import("./budget.ts"))
  yield* budgets.set(yield* called, glob, given(flags))
})).pipe(
  Command.withDescription("Limit what systems may spend. Units that are not named stay as they are."),
  examples(["aaax budget set '*' --tokens 100000 --microdollars 5000000 --per 1d", "for all systems together, each day"], ["aaax budget set project --concurrency 2", "for project and what is below it"])
)
const budgetClear = Command.make("clear", { system: word("system", "The glob that it was set for") }, Effect.fnUntraced(function*({ system: glob }) {
  const budgets = yield* Effect.promise(() => import("./budget.ts"))
  yield* budgets.clear(yield* called, glob)
})).pipe(Command.withDescription("End a budget. One of the config is back with the next start."), examples(["aaax budget clear project", "nothing limits it any more"]))
const budget = Command.make("budget", {}, Effect.fnUntraced(function*() {
  const budgets = yield* Effect.promise(() => import("./budget.ts"))
  yield* budgets.list(yield* called)
})).pipe(
  Command.withDescription("What systems and grants may spend, and have spent."),
  examples(["aaax budget", "all accounts"]),
  Command.withSubcommands([budgetList, budgetShow, budgetSet, budgetClear])
)

const tokenMint = Command.make("mint", {
  name: word("name", "The system that its holder acts as"),
  role: Flag.String("role").pipe(Flag.withDescription("read; write to append, take and settle; admin to create and clear; approver to read and to answer at the gate")),
  channel: Flag.String("channel").pipe(Flag.withDescription("Only channels like this, with * for any characters; may be repeated. Default: every PUBLIC one"), Flag.atLeast(0)),
  system: yes("system", "Also lets it dock a system of its own, under this name, from another process"),
  ttl: text("ttl", "How long it is good: 30m, 1h, 7d; default: a day"),
  ...proof
}, Effect.fnUntraced(function*({ channel, name, ...flags }) {
  const tokens = yield* Effect.promise(() => import("./token.ts"))
  const { role, system = false, ...rest } = given(flags)
  yield* tokens.mint(yield* called, name, { role: role ?? "", channels: channel, system, ...rest })
})).pipe(
  Command.withDescription("Let somebody in from outside. The token is printed once and kept nowhere."),
  examples(
    ["aaax token mint ada --role read", "reads every PUBLIC channel for a day"],
    ["aaax token mint ci --role write --channel 'jobs.*' --ttl 1h --json", "with its id and when it ends"]
  )
)
const tokenList = Command.make("ls", {}, Effect.fnUntraced(function*() {
  const tokens = yield* Effect.promise(() => import("./token.ts"))
  yield* tokens.list(yield* called)
})).pipe(Command.withDescription("Tokens that are good."), examples(["aaax token ls", "without their secrets"]))
const tokenRevoke = Command.make("revoke", { token: word("token", "Id of a token, its beginning, or a name for all of it") },
  Effect.fnUntraced(function*({ token: target }) {
    const tokens = yield* Effect.promise(() => import("./token.ts"))
    yield* tokens.revoke(yield* called, target)
  })).pipe(Command.withDescription("End a token, or all of a name, at once: also on connections that are open."), examples(["aaax token revoke ada", "all that ada has"]))
const token = Command.make("token", {}, Effect.fnUntraced(function*() {
  const tokens = yield* Effect.promise(() => import("./token.ts"))
  yield* tokens.list(yield* called)
})).pipe(
  Command.withDescription("Who may come in from outside, and for how long."), examples(["aaax token", "tokens that are good"]),
  Command.withSubcommands([tokenMint, tokenList, tokenRevoke])
)

const auditFlags = {
  after: count("after", "Entries behind this cursor"),
  last: Flag.Int("last").pipe(Flag.withDescription("The newest so many"), Flag.withDefault(50))
}
const auditTail = Command.make("tail", auditFlags, Effect.fnUntraced(function*(flags) {
  const audit = yield* Effect.promise(() => import("./audit.ts"))
  yield* audit.audit(yield* called, { last: flags.last, ...given({ after: flags.after }) })
})).pipe(Command.withDescription("Entries of the journal."), examples(["aaax audit tail --last 20", "the newest twenty"], ["aaax audit tail --after 0 --json", "all of it"]))
const evidence = Effect.promise(() => import("./evidence/commands.ts"))
const auditVerify = Command.make("verify", {}, Effect.fnUntraced(function*() {
  yield* (yield* evidence).verify(yield* called)
})).pipe(
  Command.withDescription("Check the whole journal: its chain, its Merkle root, and every signed checkpoint outside the store. Of a running kernel, or of a store that stands still."),
  examples(["aaax audit verify", "exit 0 when everything holds, else the first bad entry is named"])
)
const auditProve = Command.make("prove", { entry: Argument.Int("seq").pipe(Argument.withDescription("Position of an entry")), out: text("out", "Also write it as a bundle for aaax-verify").pipe(Flag.withAlias("o")) },
  Effect.fnUntraced(function*({ entry, out }) {
    yield* (yield* evidence).prove(yield* called, entry, Option.getOrUndefined(out))
  })).pipe(Command.withDescription("Prove that an entry is in the journal that was signed."), examples(["aaax audit prove 42", "its path to the signed root"]))
const auditExport = Command.make("export", {
  since: text("since", "Entries not older than: 30s, 10m, 2h, 1d, or a date"),
  warrant: text("warrant", "Entries about this request"),
  all: yes("all", "The whole journal; the default when nothing is chosen"),
  bodies: yes("bodies", "With the payloads of the actions that were decided, as far as they are kept"),
  out: text("out", "A file; default: standard output").pipe(Flag.withAlias("o"))
}, Effect.fnUntraced(function*(flags) {
  yield* (yield* evidence).exportBundle(yield* called, given(flags))
})).pipe(
  Command.withDescription("Write evidence for another machine: entries, checkpoints and proofs, which aaax-verify checks on its own."),
  examples(["aaax audit export -o evidence.jsonl", "all of it"], ["aaax audit export --warrant 01993b --bodies -o one.jsonl", "one action, with what was asked"])
)
const auditAccept = Command.make("accept-rollback", { reason: Flag.String("reason").pipe(Flag.withDescription("Why; it stays in the journal for good")) },
  Effect.fnUntraced(function*({ reason }) {
    yield* (yield* evidence).accept(yield* called, reason)
  })).pipe(
  Command.withDescription("Take a store that does not agree with its checkpoints, such as one from a backup. Only when no kernel runs; nothing is taken in silence."),
  examples(["aaax audit accept-rollback --reason 'restored from the backup of Monday'", "the next launch starts from it"])
)
const audit = Command.make("audit").pipe(
  Command.withDescription("The journal: every decision of the kernel."), Command.withSubcommands([auditTail, auditVerify, auditProve, auditExport, auditAccept])
)

const doctor = Command.make("doctor", {
  isolation: yes("isolation", "Measure what each isolation tier stops on this machine; needs no kernel")
}, Effect.fnUntraced(function*(flags) {
  if (given(flags).isolation === true) {
    const measuring = yield* Effect.promise(() => import("./isolation/doctor.ts"))
    return yield* measuring.isolation(yield* called)
  }
  const checking = yield* Effect.promise(() => import("./doctor.ts"))
  yield* checking.doctor(yield* called)
})).pipe(Command.withDescription("Check the store, the journal and every system; exit 1 when something is wrong."), examples(["aaax doctor", "all checks"], ["aaax doctor --isolation", "what a hostile module can do in each tier, tried here and now"]))

const clockConfirm = Command.make("confirm", {}, Effect.fnUntraced(function*() {
  const clock = yield* Effect.promise(() => import("./clock.ts"))
  yield* clock.confirm(yield* called)
})).pipe(
  Command.withDescription("Believe the wall clock after a jump that was held back; what is due by then expires."),
  examples(["aaax clock confirm", "when aaax status says that the clock jumped, and it is right now"])
)
const clock = Command.make("clock").pipe(Command.withDescription("Kernel time."), Command.withSubcommands([clockConfirm]))

const down = Command.make("down", {
  timeout: Flag.Int("timeout").pipe(Flag.withDescription("Seconds to wait until it is gone"), Flag.withDefault(60))
}, Effect.fnUntraced(function*({ timeout }) {
  const stopping = yield* Effect.promise(() => import("./down.ts"))
  yield* stopping.down(yield* called, timeout)
})).pipe(Command.withDescription("Drain and stop the kernel of this folder."), examples(["aaax down", "and wait until it is gone"]))

const importSssn = Command.make("sssn", {
  directory: word("directory", "A .sssn directory"),
  verify: yes("verify", "Then compare both sides, payloads included, and print counts and digests")
}, Effect.fnUntraced(function*({ directory, verify }) {
  const transfer = yield* Effect.promise(() => import("./transfer/run.ts"))
  yield* transfer.importSssn(yield* called, directory, verify)
})).pipe(
  Command.withDescription("Read a .sssn directory into the kernel, or into its store when it does not run. Repeatable: what is there stays."),
  examples(["aaax import sssn ../old/.sssn --verify", "and compare"])
)
const importCommand = Command.make("import").pipe(Command.withDescription("Read what others have kept."), Command.withSubcommands([importSssn]))

const exportCommand = Command.make("export", {
  out: text("out", "A directory, or a file with --ndjson; default: .sssn, or standard output"),
  channel: text("channel", "Only channels that match, with * for any characters"),
  ndjson: yes("ndjson", "Lines of JSON, each with a type; without the bytes of artifacts")
}, Effect.fnUntraced(function*({ ndjson, ...flags }) {
  const transfer = yield* Effect.promise(() => import("./transfer/run.ts"))
  yield* transfer.exportSssn(yield* called, { ndjson, ...given(flags) })
})).pipe(
  Command.withDescription("Write channels, events, artifacts, snapshots and subscriptions to a .sssn directory. Repeatable: adds what is new."),
  examples(["aaax export --out backup.sssn", "everything but the kernel's own"], ["aaax export --ndjson --channel 'repo.*' | wc -l", "as lines"])
)

/** Every command, in the order of the help. */
export const commands = [
  launch, init, status, doctor, down, ps, executors, secrets, channels, tail, read, snapshot, append, act, gate, why, audit, pause, resume, drain, revoke, undock, module, modules, cap, budget, enroll, token, clock, importCommand, exportCommand,
  demo, claims, lock, git, ...coordinationCommands, ...runningCommands, ...policyCommands, ...portableCommands
] as const

export const program = Command.make("aaax").pipe(
  Command.withDescription("An operating system runtime for agents."),
  Command.withSubcommands(commands),
  Command.withGlobalFlags([Json, Dir])
)
