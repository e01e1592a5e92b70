// Commands that go on until they are told to end, hub, worker, team and supervisor, and the reader of a relay: names, flags, examples.
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { called, examples, given, list, text, word, yes } from "../flag.ts"
import { UsageError } from "../failure.ts"
import { seatFlags } from "./flags.ts"

const otherwise = <A>(flag: Flag.Flag<A>, description: string, value: A) => flag.pipe(Flag.withDescription(description), Flag.withDefault(value))
const portDefault = 8_876

/** Seconds, or a number of things, that a program can do something with. */
const within = (flag: string, value: number, least: number, most: number): Effect.Effect<void, UsageError> =>
  value >= least && value <= most ? Effect.void : Effect.fail(new UsageError({ reason: `--${flag} ${value} is not from ${least} to ${most}.` }))

const hub = Command.make("hub", {
  host: otherwise(Flag.String("host"), "Address to listen on; default: localhost", "localhost"),
  port: otherwise(Flag.Int("port"), "Port; default: 8876; 0: any that is free", portDefault),
  db: text("db", "A database that keeps claims, plan and chat; default: none, in memory"),
  rate: otherwise(Flag.Finite("rate"), "Messages per second of one seat; default: 0, as many as it likes", 0),
  burst: otherwise(Flag.Int("burst"), "How many of them may come at once; default: 20", 20),
  "max-history": otherwise(Flag.Int("max-history"), "Messages that are kept for those who ask what was said; default: 10000", 10_000),
  "relay-log": text("relay-log", "A file that everything is mirrored to that everybody is told: aaax relay FILE"),
  "relay-max-lines": otherwise(Flag.Int("relay-max-lines"), "Lines of it that are kept when it is trimmed; default: 5000; 0: all", 5_000),
  "relay-lite": yes("relay-lite", "Mirror only what people read of each frame"),
  token: text("token", "What clients present; default: $SYNAPSE_TOKEN, else nobody presents anything"),
  "allow-network": yes("allow-network", "Serve other machines in the clear, and without a token everybody: for networks that are trusted, such as that of a container"),
  "allow-host": list("allow-host", "A further name by which clients call it; may be repeated"),
  "allow-origin": list("allow-origin", "An origin whose pages may connect, such as http://localhost:5173; may be repeated; default: none"),
  "accept-loss": yes("accept-loss", "Give up what cannot be read of claims and plan, so that they are changed again")
}, Effect.fnUntraced(function*({ "accept-loss": acceptLoss, "allow-host": hosts, "allow-network": exposed, "allow-origin": origins, "max-history": maxHistory, "relay-lite": relayLite, "relay-log": relayLog, "relay-max-lines": relayMaxLines, ...flags }) {
  const running = yield* Effect.promise(() => import("./hub.ts"))
  const { db, host, port, rate, burst, token } = given(flags)
  yield* running.hub(yield* called, {
    host: host ?? "localhost", port: port ?? portDefault, rate: rate ?? 0, burst: burst ?? 20, maxHistory, relayMaxLines, relayLite, exposed, hosts, origins, acceptLoss,
    ...(db === undefined ? {} : { db }), ...(token === undefined ? {} : { token }), ...given({ relayLog })
  })
})).pipe(
  Command.withDescription("A hub of its own: the coordinator and the synapse wire, until Ctrl-C. A constellation has one at /synapse already."),
  examples(["aaax hub", "in memory, at ws://localhost:8876"], ["aaax hub --db hub.db --relay-log relay.ndjson", "kept, and mirrored to a file"], ["SYNAPSE_TOKEN=… aaax hub", "for those who present the token"])
)

const providers = "ollama, openai, rule, or tiered"
const worker = Command.make("worker", {
  prefix: otherwise(Flag.String("prefix"), "Before the name: project/ makes it project/FAST", ""),
  provider: otherwise(Flag.String("provider"), `Who answers: ${providers}; default: ollama`, "ollama"),
  model: otherwise(Flag.String("model"), "Model that is asked; default: llama3", "llama3"),
  "heavy-model": text("heavy-model", "With tiered: for what is hard; default: the model"),
  "base-url": text("base-url", "Where an OpenAI-compatible server answers; default: the model server of this machine ($OLLAMA_HOST, http://127.0.0.1:11434), with openai https://api.openai.com/v1"),
  "api-key-env": otherwise(Flag.String("api-key-env"), "Variable of the environment that holds the key; default: OPENAI_API_KEY", "OPENAI_API_KEY"),
  "max-context": otherwise(Flag.Int("max-context"), "Messages that it remembers; default: 8", 8),
  "reply-target-mode": Flag.Literals("reply-target-mode", ["all", "sender"] as const).pipe(Flag.withDescription("Answers everybody, or who asked; default: all"), Flag.withDefault("all" as const)),
  "min-reply-interval": otherwise(Flag.Finite("min-reply-interval"), "Seconds between two answers at least; default: 0.7", 0.7),
  "task-class": list("task-class", "A class of tasks on its card; may be repeated; default: chat"), ...seatFlags
}, Effect.fnUntraced(function*({
  "api-key-env": apiKeyEnv, "base-url": baseUrl, "heavy-model": heavyModel, "max-context": maxContext, "min-reply-interval": minReplyInterval, model, prefix, provider,
  "reply-target-mode": replyTargetMode, "task-class": taskClass, ...seat
}) {
  yield* within("min-reply-interval", minReplyInterval, 0, 3_600)
  yield* within("max-context", maxContext, 1, 1_000)
  const working = yield* Effect.promise(() => import("./worker.ts"))
  yield* working.work(yield* called, {
    apiKeyEnv, maxContext, minReplyInterval, model, prefix, provider, replyTargetMode, taskClass, ...given({ ...seat, baseUrl, heavyModel })
  })
})).pipe(
  Command.withDescription("A seat whose messages a language model answers: those for it, those that name it, and those of USER. Until Ctrl-C."),
  examples(
    ["aaax worker --name FAST --model llama3.2", "asks the model server of this machine"],
    ["aaax worker --provider rule", "without any model"],
    ["aaax worker --provider tiered --model gemma3:4b --heavy-model gemma3:12b", "greetings by rule, the rest by how hard it is"]
  )
)

const team = Command.make("team", {
  port: otherwise(Flag.Int("port"), "Port of the hub; default: 8876", portDefault),
  "no-workers": yes("no-workers", "The hub alone"),
  "fast-model": text("fast-model", "Model of FAST; default: what the model server of this machine has"),
  "reason-model": text("reason-model", "Model of REASON; without a better one there is none"),
  prefix: otherwise(Flag.String("prefix"), "Before the names of the workers", ""),
  db: text("db", "A database of the hub; default: in memory"),
  "relay-log": text("relay-log", "A file that the hub mirrors everything to"),
  token: text("token", "What clients present; default: $SYNAPSE_TOKEN, else nothing")
}, Effect.fnUntraced(function*({ "fast-model": fastModel, "no-workers": alone, port, prefix, "reason-model": reasonModel, "relay-log": relayLog, ...flags }) {
  const starting = yield* Effect.promise(() => import("./team.ts"))
  yield* starting.team(yield* called, { port, prefix, workers: !alone, ...given({ ...flags, fastModel, reasonModel, relayLog }) })
})).pipe(
  Command.withDescription("A hub and workers with the models of this machine, in one command. Ends with the first of them that ends; Ctrl-C ends all."),
  examples(["aaax team", "a hub, FAST, and REASON where there is a second model"], ["aaax team --prefix shop/ --db hub.db", "under a project's name, and kept"])
)

const supervisor = Command.make("supervisor", {
  "idle-seconds": otherwise(Flag.Finite("idle-seconds"), "How long nothing may be heard of a task in progress; default: 300", 300),
  interval: otherwise(Flag.Finite("interval"), "Seconds between two looks, at least 1; default: 30", 30), ...seatFlags
}, Effect.fnUntraced(function*({ "idle-seconds": idleSeconds, interval, ...seat }) {
  yield* within("idle-seconds", idleSeconds, 0, 31_536_000)
  yield* within("interval", interval, 0, 86_400)
  const supervising = yield* Effect.promise(() => import("./supervisor.ts"))
  yield* supervising.supervise(yield* called, { idleSeconds, interval, ...given(seat) })
})).pipe(
  Command.withDescription("Offers stalled tasks of the plan again, never what is under a live lease. Until Ctrl-C."),
  examples(["aaax supervisor", "looks every 30 seconds"], ["aaax supervisor --idle-seconds 900 --json", "one object for each task that was offered again"])
)

const relay = Command.make("relay", {
  file: word("file", "The file of a relay: aaax hub --relay-log FILE"),
  since: otherwise(Flag.Int("since"), "Bytes of lines that are passed over; default: 0", 0),
  cursor: text("cursor", "A file that remembers how far it was read; goes on there"),
  for: text("for", "Only messages for this seat"),
  project: text("project", "Only messages for this project and for seats in it")
}, Effect.fnUntraced(function*({ file, since, ...flags }) {
  const reading = yield* Effect.promise(() => import("./relay.ts"))
  yield* reading.relay(yield* called, file, { since, ...given(flags) })
})).pipe(
  Command.withDescription("What a relay's file has behind a cursor, then ends."),
  examples(["aaax relay relay.ndjson --cursor .cursor --for team/ada", "what is new for one seat"], ["aaax relay relay.ndjson --json", "whole frames, one per line"])
)

/** In the order of the help. */
export const runningCommands = [hub, team, worker, supervisor, relay] as const
