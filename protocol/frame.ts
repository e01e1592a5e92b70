// Frames: the port's system calls over a socket. One WebSocket message is one frame; text frames are JSON objects with a
// `frame` that says what they are, binary ones carry the bytes of artifacts.
//
//   client                                             kernel
//   hello { versions, token?, resume?, open? }    -->
//                                                 <--  challenge { nonce }, when the hello has a `key` in place of a token
//   prove { proof }                               -->  a proof of that key, for the nonce
//                                                 <--  welcome { version, system, resume, resumed, limits }
//   call { id, port?, op, args, got? }            -->  the method `op` of the port, with its parameters in order
//                                                 <--  result { id, value }  or  failure { id, failure }
//   cancel { id }                                 -->  stops a call that waits
//   subscribe { id, port?, channel | pattern, … } -->
//                                                 <--  events { id, channel, events, next, head }, at most `credit` events ahead
//   credit { id, events }  ack { id, cursor }     -->  more may come; this much was handled (of a subscription with a name)
//   unsubscribe { id }                            -->
//                                                 <--  over { id, failure? }: the subscription has ended
//   dock { id, port, manifest, … }                -->  a system of its own behind port number `port` (0 is the guest's)
//                                                 <--  result { id, value: { system } }
//                                                 <--  start { port, run }, stop { port, run }: the life of that system
//   ended { port, run, failure? }                 -->
//                                                 <--  ask { id, port, what, … }: perform, status, check, drain
//                                                 <--  cancel { id }: what was asked is to be stopped
//   answer { id, value | refused | fault }        -->
//                                                 <--  gone { port, reason }: somebody else undocked it
//   undock { id, port }                           -->
//   ping { at? }                                  -->  pong { at? }, and the same the other way round
//   binary: id of the call (4 bytes, big endian), then bytes; so many as the call or its result said
//
// Numbers are the client's: one sequence of ids for calls and subscriptions, ports from 1. A connection that breaks is
// taken up again with the secret of its welcome: calls that have no answer are sent again with their ids, and those that
// must not be done twice (`once`) are answered as they were. `got` says which of those answers have arrived.
//
// History: 1 is the first.
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Risk } from "./authority.ts"
import { Filter } from "./event.ts"
import { Manifest } from "./manifest.ts"
import { ChannelId, Cursor, SystemId } from "./names.ts"
import type { Port } from "./port.ts"
import { Recovery } from "./warrant.ts"

/** Versions that this code speaks, best first. */
export const frameVersions: ReadonlyArray<number> = [1]

/** Where a kernel takes up WebSockets. */
export const socketPath = "/v1/ws"

/** The method of which the proof of a connection speaks. */
export const socketMethod = "CONNECT"

/** One frame of a client, in bytes; an append that is larger has to be split. */
export const frameBytesMax = 1_048_576
/** Text of one frame of the kernel, in UTF-16 code units, unless one event alone is longer. */
export const pageFrameTextMax = 262_144
/** Bytes of an artifact in one binary frame. */
export const chunkBytesMax = 262_144

/** Why a connection was closed, beside the codes of RFC 6455. Those below 4500 are not worth trying again. */
export const closeCodes = {
  /** The other side is done. */
  normal: 1000,
  /** The kernel goes down. */
  goingAway: 1001,
  /** Not a frame, or not now. */
  badFrame: 4400,
  /** No credential in time, none that is good here, or one that was good and no longer is. */
  unauthenticated: 4401,
  /** None of the versions is spoken here. */
  version: 4406,
  /** The session was taken up by a newer connection. */
  replaced: 4409,
  /** What was sent was not read in time. Subscriptions go on from their cursors. */
  tooSlow: 4508,
  /** Nothing was heard for too long. */
  silent: 4510,
  /** As many connections as there may be. */
  tooMany: 4529
} as const

/** Methods of a port, as they are called. */
export const callOps = [
  "channels", "append", "read", "event", "awaitBeyond", "take", "settle", "renew", "evict", "clear", "remove", "backlog", "subscription",
  "advance", "getSnapshot", "putSnapshot", "putArtifact", "getArtifact"
] as const satisfies ReadonlyArray<keyof Port>
export type CallOp = (typeof callOps)[number]

/** Calls that must not be done twice when they are sent again: their answers are kept until they have arrived. */
export const once: ReadonlySet<CallOp> = new Set<CallOp>(["take", "settle", "putSnapshot"])

const Id = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4_294_967_295 }))
const PortNumber = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
const Text = Schema.optionalKey(Schema.String.check(Schema.isMaxLength(4_096)))

export const Hello = Schema.Struct({
  frame: Schema.Literal("hello"),
  versions: Schema.Array(Schema.Int).check(Schema.isMaxLength(16)),
  /** May be left out when the upgrade request had an `Authorization`. */
  token: Text,
  /** In place of a token: the system whose enrolled key answers the challenge that follows. */
  key: Text,
  /** The secret of the last welcome, to go on with its session. */
  resume: Text,
  /** Then: the calls that were sent and have no answer yet. The kernel stops and forgets all others. */
  open: Schema.optionalKey(Schema.Array(Id).check(Schema.isMaxLength(4_096)))
})
export interface Hello extends Schema.Schema.Type<typeof Hello> {}

export const Call = Schema.Struct({
  frame: Schema.Literal("call"),
  id: Id,
  port: Schema.optionalKey(PortNumber),
  op: Schema.Literals(callOps),
  args: Schema.Array(Schema.Unknown).check(Schema.isMaxLength(4)),
  got: Schema.optionalKey(Schema.Array(Id).check(Schema.isMaxLength(1_024)))
})
export interface Call extends Schema.Schema.Type<typeof Call> {}

/** A subscription sees the full log: also what others have taken or settled. */
export const Subscribe = Schema.Struct({
  frame: Schema.Literal("subscribe"),
  id: Id,
  port: Schema.optionalKey(PortNumber),
  /** One channel, … */
  channel: Schema.optionalKey(ChannelId),
  /** … or all that match, with `*` for any characters, also those that are created later. */
  pattern: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(200))),
  /** Events behind this cursor; default: what comes from now on. */
  after: Schema.optionalKey(Cursor),
  /** For a pattern: the cursor of each channel that was read before. */
  cursors: Schema.optionalKey(Schema.Record(ChannelId, Cursor)),
  /** A durable subscription of this system: starts where it was, moved by `ack`. */
  name: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(200))),
  filter: Schema.optionalKey(Filter),
  /** Events that may be sent before more credit comes. */
  credit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })))
})
export interface Subscribe extends Schema.Schema.Type<typeof Subscribe> {}

/** An executor that a remote system serves: what the kernel has to know of it. Its payloads are checked where it is. */
export const ServedExecutor = Schema.Struct({
  name: Schema.NonEmptyString.check(Schema.isMaxLength(200)),
  description: Schema.String.check(Schema.isMaxLength(4_096)),
  risk: Schema.optionalKey(Risk),
  recovery: Schema.optionalKey(Recovery),
  timeoutMillis: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  /** It has a check of its own, which is asked before the effect. */
  queryable: Schema.optionalKey(Schema.Boolean)
})
export interface ServedExecutor extends Schema.Schema.Type<typeof ServedExecutor> {}

export const Dock = Schema.Struct({
  frame: Schema.Literal("dock"),
  id: Id,
  port: PortNumber.check(Schema.isGreaterThan(0)),
  manifest: Manifest,
  executors: Schema.optionalKey(Schema.Array(ServedExecutor).check(Schema.isMaxLength(100))),
  /** Provided channels whose payloads the system itself checks. */
  schemas: Schema.optionalKey(Schema.Array(ChannelId).check(Schema.isMaxLength(400))),
  /** It has a life to be started. */
  lives: Schema.Boolean,
  /** Its life goes on: it was docked before, and this kernel or connection is a new one. */
  running: Schema.optionalKey(Schema.Boolean),
  drains: Schema.optionalKey(Schema.Boolean)
})
export interface Dock extends Schema.Schema.Type<typeof Dock> {}

const clientFrames = {
  hello: Hello,
  prove: Schema.Struct({ frame: Schema.Literal("prove"), proof: Schema.String.check(Schema.isMaxLength(4_096)) }),
  call: Call,
  cancel: Schema.Struct({ frame: Schema.Literal("cancel"), id: Id }),
  subscribe: Subscribe,
  credit: Schema.Struct({ frame: Schema.Literal("credit"), id: Id, events: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })) }),
  ack: Schema.Struct({ frame: Schema.Literal("ack"), id: Id, cursor: Cursor }),
  unsubscribe: Schema.Struct({ frame: Schema.Literal("unsubscribe"), id: Id }),
  dock: Dock,
  undock: Schema.Struct({ frame: Schema.Literal("undock"), id: Id, port: PortNumber }),
  ended: Schema.Struct({ frame: Schema.Literal("ended"), port: PortNumber, run: Id, failure: Text }),
  answer: Schema.Struct({
    frame: Schema.Literal("answer"),
    id: Id,
    value: Schema.optionalKey(Schema.Unknown),
    /** It did not happen, and the system knows it. */
    refused: Text,
    /** Nobody knows. */
    fault: Text
  }),
  ping: Schema.Struct({ frame: Schema.Literal("ping"), at: Schema.optionalKey(Schema.Finite) }),
  pong: Schema.Struct({ frame: Schema.Literal("pong"), at: Schema.optionalKey(Schema.Finite) })
} as const

type ClientFrames = typeof clientFrames
export type ClientFrame = { [Name in keyof ClientFrames]: Schema.Schema.Type<ClientFrames[Name]> }[keyof ClientFrames]

export const Welcome = Schema.Struct({
  frame: Schema.Literal("welcome"),
  version: Schema.Int,
  /** The kernel's id, and its boot: another one means that leases and sessions of before are gone. */
  kernel: Schema.String,
  boot: Schema.Int,
  /** The id of the guest: the sender of what is appended through port 0. */
  system: SystemId,
  /** The secret with which this session goes on after the connection broke. */
  resume: Schema.String,
  resumed: Schema.Boolean,
  /** How long the kernel waits for a sign of life, in milliseconds. */
  silenceMillis: Schema.Int,
  /** How long leases are kept for a session whose connection broke. */
  graceMillis: Schema.Int,
  /** Calls that may be without an answer. */
  callsMax: Schema.Int
})
export interface Welcome extends Schema.Schema.Type<typeof Welcome> {}

/** What the kernel wants of a system that is docked remotely. */
export type Ask =
  | { readonly what: "perform" | "status"; readonly executor: string; readonly call: unknown }
  | { readonly what: "check"; readonly channel: string; readonly value: unknown }
  | { readonly what: "drain" }

/** What the kernel sends; clients trust its shape, as they trust its port. */
export type KernelFrame =
  | Welcome
  | { readonly frame: "challenge"; readonly nonce: string }
  | { readonly frame: "result"; readonly id: number; readonly value?: unknown }
  | { readonly frame: "failure"; readonly id: number; readonly failure: unknown }
  | { readonly frame: "events"; readonly id: number; readonly channel: string; readonly events: ReadonlyArray<unknown>; readonly next: number; readonly head: number }
  | { readonly frame: "over"; readonly id: number; readonly failure?: unknown }
  | { readonly frame: "start" | "stop"; readonly port: number; readonly run: number }
  | { readonly frame: "cancel"; readonly id: number }
  | { readonly frame: "gone"; readonly port: number; readonly reason: string }
  | ({ readonly frame: "ask"; readonly id: number; readonly port: number } & Ask)
  | { readonly frame: "ping" | "pong"; readonly at?: number }

const strict = { errors: "first", onExcessProperty: "error" } as const

const decoders = new Map<unknown, (value: unknown) => Result.Result<ClientFrame, Schema.SchemaError>>(
  Object.entries(clientFrames).map(([name, schema]) => [
    name,
    // Each decoder gives its own frame, which is one of the union; all are plain data.
    Schema.decodeUnknownResult(schema as Schema.Codec<ClientFrame, unknown>, strict) as (value: unknown) => Result.Result<ClientFrame, Schema.SchemaError>
  ])
)

/** The frame of a text, or the sentence that refuses it. */
export const clientFrameOf = (text: string): ClientFrame | string => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return "it is not JSON"
  }
  if (typeof value !== "object" || value === null || !("frame" in value)) return "it has no `frame`"
  const decode = decoders.get(value.frame)
  if (decode === undefined) return "it is of no known kind"
  const decoded = decode(value)
  return Result.isSuccess(decoded) ? decoded.success : decoded.failure.message.replace(/\s+/gu, " ").slice(0, 200)
}

/** Splits a binary frame; nothing when it is too short to say which call it belongs to. */
export const chunkOf = (bytes: Uint8Array): { readonly id: number; readonly bytes: Uint8Array } | undefined =>
  bytes.byteLength < 4
    ? undefined
    : { id: new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0), bytes: bytes.subarray(4) }

/** A binary frame of some bytes of a call's artifact. */
export const chunkFrame = (id: number, bytes: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(4 + bytes.byteLength)
  new DataView(frame.buffer).setUint32(0, id)
  frame.set(bytes, 4)
  return frame
}
