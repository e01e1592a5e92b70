// The commands of keys. What they do is loaded when one is called.
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { called, examples, given, list, text, word, yes } from "../flag.ts"

const verbs = Effect.promise(() => import("./verbs.ts"))

const ls = Command.make("ls", {}, Effect.fnUntraced(function*() {
  yield* (yield* verbs).list(yield* called)
})).pipe(Command.withDescription("Keys that are enrolled."), examples(["aaax enroll ls", "who may come with a key"]))

const card = Command.make("card", { name: word("name", "A system with a key") }, Effect.fnUntraced(function*({ name }) {
  yield* (yield* verbs).card(yield* called, name)
})).pipe(Command.withDescription("What others need to narrow a token for it; nothing of it is secret."), examples(["aaax enroll card ben", "system, key and epoch"]))

const revoke = Command.make("revoke", { name: word("name", "A system with a key") }, Effect.fnUntraced(function*({ name }) {
  yield* (yield* verbs).revoke(yield* called, name)
})).pipe(
  Command.withDescription("End a key, its grants and every token of it at once: also on connections that are open."), examples(["aaax enroll revoke ben", "from this moment on"])
)

const rotate = Command.make("rotate", {}, Effect.fnUntraced(function*() {
  yield* (yield* verbs).rotate(yield* called)
})).pipe(
  Command.withDescription("Make a new key for the kernel's own tokens. What the one before signed stays good, what the one before that signed does not."),
  examples(["aaax enroll rotate", "twice, and every token has to be asked for anew"])
)

export const enroll = Command.make("enroll", {
  name: word("name", "The system that its holder acts as"),
  key: text("key", "Where the private key is written; default: NAME.key.json"),
  public: text("public", "Register this public key instead of making one: JSON, or a file"),
  role: text("role", "On PUBLIC channels: read; write to append, take and settle, the default; admin"),
  channel: list("channel", "Only channels like this, with * for any characters; may be repeated. Default: every PUBLIC one"),
  system: yes("system", "Also lets it dock systems of its own, under this name, from another process"),
  replace: yes("replace", "In place of the key that the name has: every token of that dies")
}, Effect.fnUntraced(function*({ channel, name, ...flags }) {
  const { replace = false, system = false, ...rest } = given(flags)
  yield* (yield* verbs).enroll(yield* called, name, { channels: channel, replace, system, ...rest })
})).pipe(
  Command.withDescription("Let a system outside in by a key of its own. It proves every request, and may be given capabilities."),
  examples(
    ["aaax enroll ben --key ben.key.json", "a new key, for createClient({ url, key })"],
    ["aaax enroll ben --public ben.jwk", "its own, of which only the public half ever leaves it"]
  ),
  Command.withSubcommands([ls, card, revoke, rotate])
)

/** Beside the other verbs of `aaax cap`. */
export const capToken = Command.make("token", {
  grant: word("grant", "A capability of a system with a key"), ttl: text("ttl", "How long the token is good: 10m, 1h, 7d; default: a day, and never longer than the capability")
}, Effect.fnUntraced(function*({ grant, ...flags }) {
  const { ttl } = given(flags)
  yield* (yield* verbs).token(yield* called, grant, ttl)
})).pipe(
  Command.withDescription("Sign a token for a capability. Its holder may narrow it for others without asking the kernel."),
  examples(["aaax cap token issued:3:120 --ttl 1h", "for the holder's key, and for nobody else"])
)
