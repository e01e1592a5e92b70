// A port over a link: the whole interface, each call a frame. What a port in the kernel's own process refuses is refused
// here with the same words, and an append that is sent twice is kept once, because each carries a key.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { InvalidPayload, TooLarge, Undocked } from "../../protocol/errors.ts"
import type { Draft } from "../../protocol/event.ts"
import { type CallOp, frameBytesMax } from "../../protocol/frame.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { Port } from "../../protocol/port.ts"
import { Failure } from "../../protocol/problem.ts"
import { KernelFault } from "../http.ts"
import type { Link } from "./link.ts"
import type { Outcome } from "./pending.ts"
import { misfitOf } from "./plain.ts"

const decodeFailure = Schema.decodeUnknownOption(Failure)

/** A failure of the kernel as the class that it is. */
export const failureOf = (url: string, failure: unknown): Failure | KernelFault =>
  Option.getOrElse(decodeFailure(failure), () => new KernelFault({ url, reason: "it said nothing of why" }))

/** One artifact through a port, in bytes: the kernel's bound, for the words of a refusal. */
const artifactBytesMax = 64 * 1_048_576
/** Bytes of an append's frame that are not its drafts. */
const envelopeBytes = 2_048

const encoder = new TextEncoder()
const none: Port["powers"] = Object.freeze([])

/** Keys of appends that name none: this process, and a number. Two processes of one system do not share them. */
const keys = ((): (() => string) => {
  const here = crypto.randomUUID()
  let newest = 0
  return () => `wire/${here}/${++newest}`
})()

/** Whether an append can be sent as it is: plain data, and not too much of it. */
const draftsRefusal = (drafts: unknown): InvalidPayload | TooLarge | undefined => {
  if (!Array.isArray(drafts)) return undefined
  for (let at = 0; at < drafts.length; at++) {
    const draft = drafts[at] as Partial<Draft> | null | undefined // the kernel looks at what it is
    if (typeof draft !== "object" || draft === null) continue
    const found = misfitOf(draft.payload, "payload") ?? misfitOf(draft.metadata, "metadata") ??
      (typeof draft.timestamp === "number" && !Number.isFinite(draft.timestamp)
        ? new InvalidPayload({ what: "event", path: "timestamp", reason: "must be a finite number of seconds" }) : undefined)
    if (found !== undefined) return drafts.length === 1 ? found : new InvalidPayload({ what: found.what, path: `[${at}].${found.path}`, reason: found.reason })
  }
  return undefined
}

/** Arguments as text, or why they cannot be sent. */
const textOf = (args: ReadonlyArray<unknown>): string | TooLarge | InvalidPayload => {
  let text: string
  try {
    text = JSON.stringify(args)
  } catch (thrown) {
    return new InvalidPayload({ what: "argument", path: "", reason: thrown instanceof Error ? thrown.message : "it cannot be read" })
  }
  if (text.length * 3 <= frameBytesMax - envelopeBytes) return text
  const size = encoder.encode(text).byteLength
  return size <= frameBytesMax - envelopeBytes ? text : new TooLarge({ what: "The call", size, sizeMax: frameBytesMax - envelopeBytes, unit: "bytes" })
}

/** The port of a number of the link: 0 is the guest's. */
export const remotePort = (link: Link, number: number, system: SystemId): Port => {
  const exit = (outcome: Outcome): Effect.Effect<unknown, Failure> => {
    switch (outcome.is) {
      case "value":
        return Effect.succeed(outcome.value ?? undefined)
      case "failure": {
        const failure = failureOf(link.url, outcome.failure)
        // A fault of the kernel is nobody's to handle.
        return failure._tag === "KernelFault" ? Effect.die(failure) : Effect.fail(failure)
      }
      case "gone":
        return Effect.fail(new Undocked({ system, reason: outcome.reason }))
    }
  }
  const call = (op: CallOp, args: ReadonlyArray<unknown>, bytes?: Uint8Array): Effect.Effect<never, never> =>
    // Each method says what its call gives and fails with; the kernel keeps to it.
    Effect.callback<unknown, Failure>((resume) => {
      const text = textOf(args)
      if (typeof text !== "string") return resume(Effect.fail(text))
      const cancel = link.call(number, op, text, (outcome) => resume(exit(outcome)), bytes)
      return Effect.sync(cancel)
    }) as Effect.Effect<never, never>

  return Object.freeze<Port>({
    system,
    // Only a kernel that made the process hands any over.
    get powers() {
      return link.powersOf?.(number) ?? none
    },
    channels: Effect.suspend(() => call("channels", [])),
    append: (channel, drafts, options) =>
      Effect.suspend((): ReturnType<Port["append"]> => {
        const refused = draftsRefusal(drafts)
        return refused === undefined ? call("append", [channel, drafts, { ...options, key: options?.key ?? keys() }]) : Effect.fail(refused)
      }),
    read: (channel, options) => call("read", [channel, options ?? {}]),
    event: (id) => call("event", [id]),
    awaitBeyond: (channel, after, held) => call("awaitBeyond", held === undefined ? [channel, after] : [channel, after, held]),
    take: (channel, options) => call("take", [channel, options ?? {}]),
    settle: (channel, settlements) => call("settle", [channel, settlements]),
    renew: (channel, cursor, epoch) => call("renew", [channel, cursor, epoch]),
    evict: (channel, options) => call("evict", [channel, options]),
    clear: (channel, filter) => call("clear", filter === undefined ? [channel] : [channel, filter]),
    remove: (channel, ids) => call("remove", [channel, ids]),
    backlog: (channel) => call("backlog", [channel]),
    subscription: (name, channel, from) => call("subscription", from === undefined ? [name, channel] : [name, channel, from]),
    advance: (name, channel, cursor) => call("advance", [name, channel, cursor]),
    getSnapshot: (name) => call("getSnapshot", [name]),
    putSnapshot: (draft, options) =>
      Effect.suspend((): ReturnType<Port["putSnapshot"]> => {
        const refused = misfitOf(draft?.value, "value")
        return refused === undefined ? call("putSnapshot", options === undefined ? [draft] : [draft, options]) : Effect.fail(refused)
      }),
    putArtifact: (bytes, mediaType) =>
      Effect.suspend((): ReturnType<Port["putArtifact"]> =>
        bytes instanceof Uint8Array
          // A copy: what the caller does to its bytes afterwards changes nothing on the way.
          ? call("putArtifact", mediaType === undefined ? [bytes.byteLength] : [bytes.byteLength, mediaType], new Uint8Array(bytes))
          : Effect.fail(new TooLarge({ what: "The artifact (it must be bytes)", size: 0, sizeMax: artifactBytesMax, unit: "bytes" }))),
    getArtifact: (digest, event) => call("getArtifact", [digest, { channel: event?.channel, cursor: event?.cursor }])
  })
}
