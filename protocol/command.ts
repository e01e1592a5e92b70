// Short commands of agents that are driven by a file or a pipe: one object each, in the ancestor's words, as what is asked of the
// coordinator. (synapse 0.28, section 2.10.)
import type { Ask } from "./coordination.ts"

/** The ancestor's number of messages, when none is given. */
const historyDefault = 20

type Fields = Readonly<Record<string, unknown>>

/** What a command lacks, or has too much of: a sentence. */
class Unfit {
  readonly sentence: string
  constructor(sentence: string) {
    this.sentence = sentence
  }
}

const isMissing = (value: unknown): value is undefined | null => value === undefined || value === null

/** The first of them that is there, as text. */
const maybe = (fields: Fields, ...names: ReadonlyArray<string>): string | undefined => {
  for (const name of names) {
    const value = fields[name]
    if (isMissing(value)) continue
    if (typeof value === "string") return value
    if (typeof value === "number") return String(value)
    throw new Unfit(`Field '${name}' must be a text.`)
  }
  return undefined
}
const text = (fields: Fields, ...names: ReadonlyArray<string>): string => maybe(fields, ...names) ?? ""

const limitOf = (fields: Fields): number | undefined => {
  const limit = fields["n"] ?? fields["limit"] ?? historyDefault
  if (limit === "all") return undefined
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 1) throw new Unfit("Field 'limit' must be a whole number from 1, or \"all\".")
  return limit
}

/** `own`: where an offer has its kind, because the command's own name may stand in `kind`. */
const offer = (fields: Fields, own: string): Ask => {
  const { capacity, meta } = fields
  if (!isMissing(capacity) && (typeof capacity !== "number" || !Number.isInteger(capacity))) throw new Unfit("Field 'capacity' must be a whole number.")
  if (!isMissing(meta) && (typeof meta !== "object" || Array.isArray(meta))) throw new Unfit("Field 'meta' must be an object.")
  return {
    verb: "offer", kind: text(fields, own, "resource_kind"), name: text(fields, "name", "resource_name"),
    ...(isMissing(capacity) ? {} : { capacity }), ...(isMissing(meta) ? {} : { meta: meta as Extract<Ask, { readonly verb: "offer" }>["meta"] & object }) // from JSON
  }
}

const commands: Readonly<Record<string, (fields: Fields, own: string) => Ask>> = {
  chat: (fields) => ({ verb: "send", target: maybe(fields, "to", "target") ?? "all", payload: text(fields, "p", "payload") }),
  claim: (fields) => {
    const note = maybe(fields, "n", "note")
    return { verb: "claim", task: text(fields, "id", "task_id"), ...(note === undefined ? {} : { note }) }
  },
  release: (fields) => ({ verb: "release", task: text(fields, "id", "task_id") }),
  who: () => ({ verb: "who" }),
  state: () => ({ verb: "state" }),
  history: (fields) => {
    const limit = limitOf(fields)
    return { verb: "history", ...(limit === undefined ? {} : { limit }) }
  },
  task_update: (fields) => {
    const [status, note, dataRef] = [maybe(fields, "status"), maybe(fields, "note"), maybe(fields, "data_ref")]
    return {
      verb: "update", task: text(fields, "id", "task_id"), ...(status === undefined ? {} : { status }), ...(note === undefined ? {} : { note }),
      ...(dataRef === undefined ? {} : { dataRef })
    }
  },
  resource: offer,
  resource_offer: offer
}

/** Names of the commands. */
export const commandKinds: ReadonlyArray<string> = Object.keys(commands)

/**
 * What a command asks for; a sentence says what is wrong with it. The command's name is in `k`, or in `kind`; an offer whose command
 * is named in `kind` has its own kind in `resource_kind`. What the coordinator itself refuses is not looked at here.
 */
export const commandOf = (command: unknown): Ask | string => {
  if (typeof command !== "object" || command === null || Array.isArray(command)) return "A command is a JSON object."
  const fields = command as Fields // an object with whatever keys
  const isShort = !isMissing(fields["k"])
  const kind = isShort ? fields["k"] : fields["kind"]
  if (typeof kind !== "string" || kind.trim() === "") return "Missing command kind."
  const name = kind.trim().toLowerCase()
  const make = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (make === undefined) return `Unsupported command kind '${name}'. Use ${commandKinds.join(", ")}.`
  try {
    return make(fields, isShort ? "kind" : "resource_kind")
  } catch (thrown) {
    if (thrown instanceof Unfit) return thrown.sentence
    throw thrown
  }
}
