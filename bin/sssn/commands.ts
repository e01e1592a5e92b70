// The ancestor's verbs as commands: names, flags, examples. What they do is loaded when they are called.
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { called, count, examples, given, list, text, word } from "../flag.ts"

const verbs = Effect.promise(() => import("./verbs.ts"))

export const store = text("store", "A .sssn directory; default: the kernel that runs here, else ./.sssn")
const metadata = text("metadata", "A JSON object")
const channelFlag = text("channel", "The channel that it belongs to")
const schema = text("schema", "Name of a schema, such as package.module:Type")
const encoding = Flag.Literals("encoding", ["text", "base64"]).pipe(Flag.withDescription("How the payload is written"), Flag.withDefault("text" as const))
const id = word("id", "Its id")

/** Flags that an event may have, beyond its kind. */
export const eventFlags = {
  source: text("source", "Your own label of who wrote it"),
  schema,
  timestamp: Flag.Finite("timestamp").pipe(Flag.withDescription("Your own time, in Unix seconds"), Flag.optional),
  metadata,
  "correlation-id": text("correlation-id", "Which request it answers, or belongs to"),
  "parent-id": list("parent-id", "An event that caused it; may be said more than once")
}

const createChannel = Command.make("create-channel", {
  name: word("name", "Name of the new channel"), store, schema, form: text("form", "What it is for: log, queue, topic, …; default: log"),
  description: text("description", "For its readers"), metadata
}, Effect.fnUntraced(function*({ name, ...flags }) {
  yield* (yield* verbs).createChannel(yield* called, name, given(flags))
})).pipe(
  Command.withDescription("Create a channel."),
  examples(["aaax create-channel events --form log --schema demo.schemas:Event", "a log"], ["aaax create-channel events --store .sssn", "without a kernel"])
)

const getChannel = Command.make("get-channel", { name: word("name", "Name of a channel"), store }, Effect.fnUntraced(function*({ name, ...flags }) {
  yield* (yield* verbs).getChannel(yield* called, name, given(flags))
})).pipe(Command.withDescription("One channel."), examples(["aaax get-channel events", "as JSON"]))

const queryEvents = Command.make("query-events", {
  channel: word("channel", "Name of a channel"), store, "after-cursor": count("after-cursor", "Events behind this one; default 0, from the first"),
  limit: count("limit", "At most so many; default 100"), kind: text("kind", "Only events of this kind")
}, Effect.fnUntraced(function*({ channel, "after-cursor": after, ...flags }) {
  yield* (yield* verbs).queryEvents(yield* called, channel, given({ ...flags, afterCursor: after }))
})).pipe(
  Command.withDescription("Events of a channel, oldest first, one per line."),
  examples(["aaax query-events events --limit 10", "the first ten"], ["aaax query-events events --after-cursor 10 --kind raw", "and on"])
)

const getEvent = Command.make("get-event", { id, store }, Effect.fnUntraced(function*({ id: event, ...flags }) {
  yield* (yield* verbs).getEvent(yield* called, event, given(flags))
})).pipe(Command.withDescription("One event, in whatever channel."), examples(["aaax get-event 01993b2f", "by its id"]))

const createSubscription = Command.make("create-subscription", {
  channel: word("channel", "Name of a channel"), store, id: text("id", "Its name: the second call gives what is there"),
  consumer: text("consumer", "A label of who reads"), "batch-size": count("batch-size", "Events in one pull; default 100"),
  kind: text("kind", "Only events of this kind")
}, Effect.fnUntraced(function*({ channel, "batch-size": batchSize, ...flags }) {
  yield* (yield* verbs).createSubscription(yield* called, channel, given({ ...flags, batchSize }))
})).pipe(
  Command.withDescription("A durable cursor on a channel: a new one, or the one of this id."),
  examples(["aaax create-subscription events --id worker --batch-size 10", "restartable by its id"])
)

const getSubscription = Command.make("get-subscription", { id, store }, Effect.fnUntraced(function*({ id: subscription, ...flags }) {
  yield* (yield* verbs).getSubscription(yield* called, subscription, given(flags))
})).pipe(Command.withDescription("A subscription and its cursor."), examples(["aaax get-subscription worker", "how far it is"]))

const pullSubscription = Command.make("pull-subscription", { id, store, limit: count("limit", "At most so many; default: its batch size") },
  Effect.fnUntraced(function*({ id: subscription, ...flags }) {
    yield* (yield* verbs).pullSubscription(yield* called, subscription, given(flags))
  })).pipe(Command.withDescription("The next events of a subscription, which then counts them as read."), examples(["aaax pull-subscription worker --limit 5", "five at most"]))

const writeArtifact = Command.make("write-artifact", {
  data: word("data", "The payload"), store, encoding, channel: channelFlag,
  "media-type": text("media-type", "Default: application/octet-stream"), metadata,
  "event-id": list("event-id", "An event that it belongs to; may be said more than once")
}, Effect.fnUntraced(function*({ data, encoding: coded, "event-id": eventId, "media-type": mediaType, ...flags }) {
  yield* (yield* verbs).writeArtifact(yield* called, data, { ...given({ ...flags, mediaType }), encoding: coded, eventId })
})).pipe(
  Command.withDescription("Keep bytes, and say which events they belong to."),
  examples(["aaax write-artifact 'all is well' --media-type text/plain", "a text"], ["aaax write-artifact /w== --encoding base64", "any bytes"])
)

const getArtifact = Command.make("get-artifact", { id, store }, Effect.fnUntraced(function*({ id: artifact, ...flags }) {
  yield* (yield* verbs).getArtifact(yield* called, artifact, given(flags))
})).pipe(Command.withDescription("What is known of an artifact."), examples(["aaax get-artifact 3f2c", "its size and digest"]))

const readArtifact = Command.make("read-artifact", { id, store, encoding }, Effect.fnUntraced(function*({ id: artifact, encoding: coded, ...flags }) {
  yield* (yield* verbs).readArtifact(yield* called, artifact, { ...given(flags), encoding: coded })
})).pipe(Command.withDescription("The bytes of an artifact, verified."), examples(["aaax read-artifact 3f2c --encoding base64", "whatever they are"]))

const putSnapshot = Command.make("put-snapshot", {
  name: word("name", "Name of the state"), value: word("value", "JSON"), store, channel: channelFlag, schema,
  "source-event-id": text("source-event-id", "The event that it comes from"), metadata
}, Effect.fnUntraced(function*({ name, "source-event-id": sourceEventId, value, ...flags }) {
  yield* (yield* verbs).putSnapshot(yield* called, name, value, given({ ...flags, sourceEventId }))
})).pipe(Command.withDescription("Replace the latest value of a name."), examples(["aaax put-snapshot latest '{\"status\":\"ok\"}' --channel events", "as a whole"]))

const getSnapshot = Command.make("get-snapshot", { name: word("name", "Name of a state"), store }, Effect.fnUntraced(function*({ name, ...flags }) {
  yield* (yield* verbs).getSnapshot(yield* called, name, given(flags))
})).pipe(Command.withDescription("The latest value of a name, with where it comes from."), examples(["aaax get-snapshot latest", "as JSON"]))

const serve = Command.make("serve", {
  store: Flag.String("store").pipe(Flag.withDescription("The directory; default: .sssn"), Flag.withDefault(".sssn")),
  host: Flag.String("host").pipe(Flag.withDescription("An address of this machine alone"), Flag.withDefault("127.0.0.1")),
  port: Flag.Int("port").pipe(Flag.withDescription("1 to 65535"), Flag.withDefault(7700)),
  "log-level": Flag.Literals("log-level", ["critical", "error", "warning", "info", "debug", "trace"]).pipe(
    Flag.withDescription("From info on, every request is told"), Flag.withDefault("info" as const))
}, Effect.fnUntraced(function*({ "log-level": logLevel, ...flags }) {
  const serving = yield* Effect.promise(() => import("../serve.ts"))
  yield* serving.serve(yield* called, { ...flags, logLevel })
})).pipe(
  Command.withDescription("Serve a .sssn directory over the portable API, without a kernel and without credentials, on this machine alone."),
  examples(["aaax serve --port 7700", "for a client at this address"])
)

/** In the order of the help. */
export const portableCommands = [
  createChannel, getChannel, queryEvents, getEvent, createSubscription, getSubscription, pullSubscription, writeArtifact, getArtifact,
  readArtifact, putSnapshot, getSnapshot, serve
] as const
