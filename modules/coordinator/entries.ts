// Entries as they are read again: what is not one of ours, or not whole, is told apart before it is folded.
import { coordination, Schema } from "aaax"
import type { LedgerEntry, TalkEntry } from "./fold.ts"

const optional = Schema.optionalKey
const Applied = Schema.Struct({ seat: Schema.String, verb: Schema.String, key: Schema.String, digest: Schema.String })
const applied = optional(Applied)

const ledger = {
  claimed: Schema.Struct({ claim: coordination.Claim, renewed: Schema.Boolean, applied }),
  released: Schema.Struct({ task: Schema.String, owner: Schema.String, epoch: Schema.Int, receipt: optional(Schema.Record(Schema.String, Schema.Unknown)), applied }),
  expired: Schema.Struct({ task: Schema.String, owner: Schema.String, epoch: Schema.Int, checkpoint: Schema.String }),
  updated: Schema.Struct({ claim: coordination.Claim, applied }),
  checkpointed: Schema.Struct({ claim: coordination.Claim, applied }),
  handed: Schema.Struct({ claim: coordination.Claim, previousOwner: Schema.String, note: coordination.Note, applied }),
  declared: Schema.Struct({ task: coordination.PlanTask, again: Schema.Boolean, by: Schema.String, applied }),
  planned: Schema.Struct({ task: coordination.PlanTask, by: Schema.String, applied }),
  accepted: Schema.Struct({ by: Schema.String, at: Schema.Int, entries: Schema.Int, places: Schema.Array(coordination.LostEntries), tasks: Schema.Array(Schema.String) }),
  state: Schema.Struct({ part: Schema.Int, parts: Schema.Int, text: Schema.String })
}

const talk = {
  chat: Schema.Struct({ chat: coordination.Chat, to: optional(Schema.Array(Schema.String)) }),
  progress: Schema.Struct({ note: coordination.Note, applied }),
  offered: Schema.Struct({ offer: coordination.Offer, applied }),
  acknowledged: Schema.Struct({ seat: Schema.String, message: Schema.Int, state: coordination.Delivery, mark: optional(Schema.Boolean) })
}

type Decode = (payload: unknown) => { readonly _tag: "Success"; readonly value: unknown } | { readonly _tag: "Failure" }

const decodersOf = (kinds: Readonly<Record<string, Schema.Codec<unknown, unknown>>>): ReadonlyMap<string, Decode> =>
  new Map(Object.entries(kinds).map(([kind, schema]) => [kind, Schema.decodeUnknownExit(schema) as Decode])) // an exit of one of them

const ledgerDecoders = decodersOf(ledger)
const talkDecoders = decodersOf(talk)

/** An entry; `null`: of a kind that is not known and changes nothing; nothing: it cannot be read. */
const entryOf = (decoders: ReadonlyMap<string, Decode>, kind: string, payload: unknown): { readonly kind: string; readonly payload: unknown } | null | undefined => {
  const decode = decoders.get(kind)
  if (decode === undefined) return null
  const exit = decode(payload)
  return exit._tag === "Success" ? { kind, payload: exit.value } : undefined
}

export const ledgerEntry = (kind: string, payload: unknown): LedgerEntry | null | undefined =>
  entryOf(ledgerDecoders, kind, payload) as LedgerEntry | null | undefined // each kind has its payload
export const talkEntry = (kind: string, payload: unknown): TalkEntry | null | undefined =>
  entryOf(talkDecoders, kind, payload) as TalkEntry | null | undefined // as above
