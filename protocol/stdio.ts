// The port protocol over a pipe: the frames of a socket, one JSON object per line, between the kernel and a program that it
// started itself. The pipe is the identity: there is no token, and nothing that is said on it can name another system.
//
//   kernel                                             program
//   welcome { version, kernel, boot, system, … }  -->
//   load { module, files, … }                     -->  (only to the child that runs modules)
//                                                 <--  dock { id, port, manifest?, lives, executors?, schemas?, drains?, parts? }, once, first
//   result { id, value: { system } }              -->  it is docked: calls may be made
//   start { port, run, powers }                   -->  its life begins
//                                                 <--  ended { port, run, failure? }
//   stop, ask, cancel, result, failure            -->  as over a socket
//                                                 <--  call, cancel, answer: as over a socket
//                                                 <--  power { id, port, power, op, args }: looks through a reading power
//   ping { at }                                   -->
//                                                 <--  pong { at }: within `silenceMillis`, or it is ended
//   chunk { id, data }                            <->  bytes of an artifact in base64
//
// What is no such line ends the program.
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { clientFrameOf, Dock, frameBytesMax, type ClientFrame, type KernelFrame } from "./frame.ts"
import { Manifest } from "./manifest.ts"

/** One line of a program, in bytes, its end not counted. */
export const lineBytesMax = frameBytesMax
/** Nesting of what one line says. */
export const lineDepthMax = 64 + 16
/** Systems that one program docks: itself, and what it owns. */
const partsMax = 64

/** Methods of a reading power. */
export const powerOps = ["isGit", "list", "read", "digest", "commits"] as const
export type PowerOp = (typeof powerOps)[number]

const Id = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4_294_967_295 }))
const PortNumber = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))

const { executors, schemas, lives, drains } = Dock.fields
const described = { port: PortNumber, lives, executors, schemas, drains }

/** A system that the docking one owns. `of`: the port of its owner, which stands before it. */
export const PipePart = Schema.Struct({ ...described, of: PortNumber, manifest: Manifest })
export interface PipePart extends Schema.Schema.Type<typeof PipePart> {}

/** What a program says of itself. What its manifest leaves out is as empty as it can be. */
export const PipeDock = Schema.Struct({
  frame: Schema.Literal("dock"),
  id: Id,
  ...described,
  manifest: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  parts: Schema.optionalKey(Schema.Array(PipePart).check(Schema.isMaxLength(partsMax)))
})
export interface PipeDock extends Schema.Schema.Type<typeof PipeDock> {}

const Power = Schema.Struct({
  frame: Schema.Literal("power"),
  id: Id,
  port: PortNumber,
  /** Which of its powers, in the order of the manifest. */
  power: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 })),
  op: Schema.Literals(powerOps),
  args: Schema.Array(Schema.Unknown).check(Schema.isMaxLength(2))
})
export interface PowerFrame extends Schema.Schema.Type<typeof Power> {}

const Chunk = Schema.Struct({ frame: Schema.Literal("chunk"), id: Id, data: Schema.String })
export interface ChunkFrame extends Schema.Schema.Type<typeof Chunk> {}

export type ProgramFrame = PipeDock | PowerFrame | ChunkFrame | Exclude<ClientFrame, { readonly frame: "hello" | "dock" | "undock" | "subscribe" | "credit" | "ack" | "unsubscribe" }>

/** One file of a module, as the child runs it: already JavaScript. */
export interface LoadedFile {
  readonly code: string
  /** What its imports name, by the words that it uses: paths of other files. */
  readonly imports: Readonly<Record<string, string>>
}

/** What the kernel sends to a program, beside the frames of a socket. */
export type PipeFrame =
  | Exclude<KernelFrame, { readonly frame: "start" | "stop" }>
  | { readonly frame: "stop"; readonly port: number; readonly run: number }
  | { readonly frame: "start"; readonly port: number; readonly run: number; readonly powers?: ReadonlyArray<string> }
  | ChunkFrame
  | {
      readonly frame: "load"
      readonly bundled?: string
      readonly file: string
      readonly files: Readonly<Record<string, LoadedFile>>
      readonly settings: Readonly<Record<string, unknown>>
    }

const strict = { errors: "first", onExcessProperty: "error" } as const
const own: Readonly<Record<string, (value: unknown) => Result.Result<ProgramFrame, Schema.SchemaError>>> = {
  dock: Schema.decodeUnknownResult(PipeDock, strict),
  power: Schema.decodeUnknownResult(Power, strict),
  chunk: Schema.decodeUnknownResult(Chunk, strict)
}
/** Kinds that a socket has and a pipe has not. */
const elsewhere = new Set(["hello", "undock", "subscribe", "credit", "ack", "unsubscribe"])

/** Whether brackets outside of strings nest deeper than they may; read before anything is made of the text. */
export const isTooDeep = (text: string): boolean => {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (quoted) {
      if (code === 92) at++
      else if (code === 34) quoted = false
    } else if (code === 34) quoted = true
    else if (code === 91 || code === 123) {
      if (++depth > lineDepthMax) return true
    } else if (code === 93 || code === 125) depth--
  }
  return false
}

/** The frame of a program's line, or the sentence that refuses it. */
export const programFrameOf = (line: string): ProgramFrame | string => {
  if (isTooDeep(line)) return `it nests deeper than ${lineDepthMax}`
  const kind = /^\{\s*"frame"\s*:\s*"([a-z]+)"/u.exec(line)?.[1]
  // What begins otherwise is looked at as a whole.
  if (kind === undefined || Object.hasOwn(own, kind)) {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      return "it is not JSON"
    }
    const named = typeof value === "object" && value !== null && "frame" in value ? value.frame : undefined
    const decode = typeof named === "string" && Object.hasOwn(own, named) ? own[named] : undefined
    if (decode !== undefined) {
      const decoded = decode(value)
      return Result.isSuccess(decoded) ? decoded.success : decoded.failure.message.replace(/\s+/gu, " ").slice(0, 200)
    }
  }
  const frame = clientFrameOf(line)
  if (typeof frame === "string") return frame
  return elsewhere.has(frame.frame) || frame.frame === "dock" ? `\`${frame.frame}\` is for sockets, not for a pipe` : frame as ProgramFrame // the others were just told apart
}
