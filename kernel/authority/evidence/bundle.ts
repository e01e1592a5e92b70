// A bundle: entries of the journal with everything that somebody on another machine needs to check them, and nothing else.
// One object in canonical JSON per line:
//
//   {"bodies":0,"checkpoints":2,"cursors":[],"dense":true,"entries":42,"evidence":1,"first":"0f3a…","key":"…","proofs":0,"whole":true}
//   {"entry":{"cursor":1,"hash":"…","index":0,"kind":"kernel.booted","payload":{…},"prev":""}}       `path` when not whole
//   {"checkpoint":"aaax.journal/0f3a…\n42\n…"}                                                       smallest first
//   {"consistency":{"from":12,"path":["…"],"to":42}}                                                 when not whole
//   {"body":{"payload":{…},"warrant":"01993b…"}}
//
// Whole: every entry up to the newest checkpoint, so that its root follows from them. Otherwise each entry has its inclusion
// path to that root, and each two neighbouring checkpoints their consistency path. Every byte is bound: by a hash, by a
// signature, or because a line must be written in exactly one way. `bin/aaax-verify.ts` checks it and shares no code with us.
import type { Event } from "../../../protocol/event.ts"
import type { Cursor } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { canonical } from "../../guard/canonical.ts"
import { hashing, hexOf, proofsOf, type Sha256 } from "./merkle.ts"

export interface BundleEntry {
  readonly cursor: Cursor
  readonly hash: string
  readonly kind: string
  readonly payload: unknown
  readonly prev: string
}

export interface BundleSource {
  /** Entries behind a cursor, oldest first; none at the end. */
  readonly entries: (after: Cursor) => Promise<ReadonlyArray<Event>>
  /** Notes that are kept, and the public key that signs them, base64url. */
  readonly checkpoints: () => Promise<{ readonly key: string; readonly notes: ReadonlyArray<string> }>
  /** The payload that was decided on; undefined when it was erased. */
  readonly payloadOf: (warrant: string) => Promise<unknown>
}

export interface BundleOptions {
  /** Which entries; absent: all, as a whole. */
  readonly wanted?: (event: Event) => boolean
  /** With the payloads of the actions that its entries decide. */
  readonly bodies: boolean
}

export interface BundleSummary {
  readonly entries: number
  readonly checkpoints: number
  readonly bodies: number
  /** Bodies that were asked for and are not kept any more. */
  readonly erased: number
  /** Entries that the newest checkpoint covers. */
  readonly size: number
  /** Entries that lie behind it, and are left out. */
  readonly uncovered: number
  readonly key: string
}

const sizeOf = (note: string): number => Number(note.split("\n")[1])

const entryOf = ({ cursor, kind, metadata, payload }: Event): BundleEntry => ({
  cursor, hash: String(metadata["hash"]), kind, payload, prev: String(metadata["prev"])
})

/** Writes a bundle, line by line. Fails when there is no checkpoint that covers anything. */
export const writeBundle = async (source: BundleSource, sha256: Sha256, options: BundleOptions, write: (line: string) => void): Promise<BundleSummary> => {
  const { key, notes } = await source.checkpoints()
  const bySize = new Map(notes.map((note) => [sizeOf(note), note]))
  const checkpoints = [...bySize].filter(([size]) => size > 0).sort(([a], [b]) => a - b)
  const size = checkpoints.at(-1)?.[0]
  if (size === undefined) throw new Error("There is no checkpoint yet that covers an entry; launch the kernel once.")
  const whole = options.wanted === undefined
  const tools = hashing(sha256)
  const leaves: Array<Uint8Array> = []
  const chosen: Array<{ readonly index: number; readonly entry: BundleEntry }> = []
  let first = ""
  let dense = true
  let uncovered = 0
  for (let after = 0; ;) {
    const page = await source.entries(after)
    if (page.length === 0) break
    for (const event of page) {
      after = event.cursor
      if (leaves.length === size) {
        uncovered++
        continue
      }
      const entry = entryOf(event)
      first ||= entry.hash.slice(0, 32)
      dense &&= entry.cursor === leaves.length + 1
      if (whole || options.wanted?.(event) === true) chosen.push({ index: leaves.length, entry })
      leaves.push(tools.entry(entry.cursor, entry.hash))
    }
  }
  if (leaves.length < size) throw new Error(`The journal has ${leaves.length} entries, and ${size} were signed: see aaax audit verify.`)
  const proofs = proofsOf(tools, leaves)
  // Of a part, the oldest checkpoint that is kept says since when it is known, and the newest what everything is held against.
  const told = whole ? checkpoints : checkpoints.filter((_, at) => at === 0 || at === checkpoints.length - 1)
  const bodies: Array<{ readonly warrant: string; readonly payload: unknown }> = []
  let erased = 0
  if (options.bodies) {
    for (const { entry: { kind, payload } } of chosen) {
      // The journal is the kernel's own writing.
      const warrant = kind === "action.decided" ? (payload as { readonly warrant: Warrant }).warrant : undefined
      if (warrant === undefined) continue
      const body = await source.payloadOf(warrant.id)
      const { action, digest, executor, id, target } = warrant
      // One that was edited afterwards is not the body of what was asked first.
      if (body !== undefined && hexOf(sha256(new TextEncoder().encode(canonical({ action, executor, target, payload: body })))) === digest) bodies.push({ warrant: id, payload: body })
      else erased++
    }
  }
  const pathOf = (path: ReadonlyArray<Uint8Array>): ReadonlyArray<string> => path.map(hexOf)
  write(canonical({
    evidence: 1, key, first, whole, dense, cursors: whole ? [] : chosen.map(({ entry }) => entry.cursor), entries: chosen.length, checkpoints: told.length, proofs: whole ? 0 : told.length - 1, bodies: bodies.length
  }))
  for (const { entry, index } of chosen) write(canonical({ entry: { ...entry, index, ...(whole ? {} : { path: pathOf(proofs.inclusion(index, size)) }) } }))
  for (const [, note] of told) write(canonical({ checkpoint: note }))
  if (!whole) {
    for (let at = 1; at < told.length; at++) {
      const [from, to] = [told[at - 1]![0], told[at]![0]]
      write(canonical({ consistency: { from, to, path: pathOf(proofs.consistency(from, to)) } }))
    }
  }
  for (const body of bodies) write(canonical({ body }))
  return { entries: chosen.length, checkpoints: told.length, bodies: bodies.length, erased, size, uncovered, key }
}
