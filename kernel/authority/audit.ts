// The audit: the journal read as evidence, from its first entry, by a running kernel or over a store that stands still. Says
// whether every entry follows from the one before it, whether the Merkle tree over them is the one that was signed, and
// names the first entry that is not as it was written.
import * as Effect from "effect/Effect"
import type { StoreCorrupt, StoreUnavailable } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import { kernelSystem, type Cursor } from "../../protocol/names.ts"
import type { AuditReport, EvidenceView } from "../../protocol/view.ts"
import { pageEventsMax } from "../limits.ts"
import { correlationOf, entryOf, type Entry } from "./entry.ts"
import { base64Of, open, originOf, type SignedCheckpoint, type Signer } from "./evidence/checkpoint.ts"
import { hashing, hexOf, makeTree, type Sha256 } from "./evidence/merkle.ts"

const problemsMax = 20

export interface AuditSource {
  readonly read: (after: Cursor, limit: number) => Effect.Effect<ReadonlyArray<Event>, StoreCorrupt>
  readonly hashOf: (previous: string, entry: Pick<Event, "kind" | "payload">) => string
  readonly sha256: Sha256
  /** What lies outside the store. */
  readonly outside?: { readonly signer: Signer; readonly notes: Effect.Effect<ReadonlyArray<string>, StoreUnavailable>; readonly view: () => EvidenceView }
  /** What a running kernel knows of its journal, asked when all of it was read. */
  readonly expected?: () => { readonly chain: string; readonly cursor: Cursor }
  /** Whether the body of a decided action is kept; absent: nobody looks. */
  readonly hasBody?: (entry: Extract<Entry, { readonly kind: "action.decided" }>) => Effect.Effect<boolean>
}

/** The newest entries are read in pages; where one cannot be read, it is looked for one by one. */
const pageOf = ({ read }: AuditSource, after: Cursor): Effect.Effect<ReadonlyArray<Event>, StoreCorrupt> =>
  Effect.catch(read(after, pageEventsMax), () => read(after, 1))

/** Reads everything. */
export const verify = (source: AuditSource): Effect.Effect<AuditReport> =>
  Effect.gen(function*() {
    const problems: Array<string> = []
    let firstBad: Cursor | undefined
    const note = (problem: string, at?: Cursor): void => {
      if (problems.length < problemsMax) problems.push(problem)
      if (at !== undefined && (firstBad === undefined || at < firstBad)) firstBad = at
    }
    const tools = hashing(source.sha256)
    const tree = makeTree(tools)!
    const signed = yield* checkpointsOf(source, note)
    let covered = 0
    let chain = ""
    let cursor = 0
    let entries = 0
    let first: { readonly cursor: Cursor; readonly hash: string } | undefined
    let boot = 0
    let auditKey = ""
    let kept = 0
    let erased = 0
    /** Cursor behind which a checkpoint does not agree any more. */
    let agreed = 0
    for (;;) {
      const page = yield* Effect.result(pageOf(source, cursor))
      if (page._tag === "Failure") {
        note(`#${cursor + 1} or one close behind it cannot be read: ${page.failure.message.replace(/\.$/u, "")}`, cursor + 1)
        break
      }
      if (page.success.length === 0) break
      for (const event of page.success) {
        const { hash, prev } = event.metadata
        const entry = entryOf(event)
        if (prev !== chain) note(`#${event.cursor} does not name the entry before it`, event.cursor)
        if (hash !== source.hashOf(chain, event)) note(`#${event.cursor} was changed: its hash does not match its content`, event.cursor)
        if (event.sender !== kernelSystem || !isAbout(event, entry)) {
          note(`#${event.cursor} was changed: it lies in the journal as if it were somebody else's, or about something else`, event.cursor)
        }
        if (entry.kind === "kernel.booted") {
          if (entry.boot !== boot + 1) note(`#${event.cursor} says boot ${entry.boot} after boot ${boot}`, event.cursor)
          boot = entry.boot
        }
        if (entry.kind === "checkpoints.started" || entry.kind === "rollback.accepted") auditKey = entry.key
        if (entry.kind === "action.decided" && source.hasBody !== undefined) {
          if (yield* source.hasBody(entry)) kept++
          else erased++
        }
        // Go on from what is written, so that one change is told once.
        chain = typeof hash === "string" ? hash : ""
        cursor = event.cursor
        first ??= { cursor, hash: chain }
        entries++
        tree.append(tools.entry(cursor, chain))
        for (let next = signed[covered]; next !== undefined && next.size <= entries; next = signed[++covered]) {
          if (next.size < entries || (hexOf(next.root) === hexOf(tree.root()) && next.origin === originOf(first.hash))) {
            agreed = cursor
            continue
          }
          note(`#${agreed + 1} to #${cursor} are not the ${next.size - entriesAt(agreed, first.cursor)} entries that were signed: one of them was changed, and everything hashed anew`, agreed + 1)
          agreed = cursor
        }
      }
    }
    const newest = signed.at(-1)
    if (newest !== undefined && newest.size > entries) {
      note(`#${cursor + 1} is missing: the journal has ${entries} entries, and ${newest.size} were signed, up to #${newest.cursor}`, cursor + 1)
    }
    if (source.outside !== undefined && auditKey !== "") {
      const { key, where } = source.outside.view()
      if (key !== auditKey) note(`the journal names the audit key ${auditKey}, and the key in ${where} is ${key}`)
      if (signed.length === 0) note(`the journal says that checkpoints are kept in ${where}, and there is none`)
    }
    const expected = source.expected?.()
    if (expected !== undefined) {
      if (problems.length === 0 && cursor === expected.cursor && chain !== expected.chain) note("the newest entry is not the one that the kernel wrote last", cursor)
      if (cursor < expected.cursor) note(`entries after #${cursor} are missing, the kernel has written up to #${expected.cursor}`, cursor + 1)
    }
    return {
      ok: problems.length === 0, entries, chainHead: chain, firstCursor: first?.cursor ?? 0, head: cursor, problems,
      ...(firstBad === undefined ? {} : { firstBad }),
      root: base64Of(tree.root()),
      ...(source.outside === undefined ? {} : { checkpoints: signed.length, evidence: source.outside.view() }),
      ...(source.hasBody === undefined ? {} : { bodies: { kept, erased } })
    }
  })

/** What it lies under in the index. Policies had nothing there at first. */
const isAbout = ({ correlationId }: Event, entry: Entry): boolean =>
  correlationId === correlationOf(entry) || (correlationId === null && entry.kind === "policy.activated")

/** Entries up to a cursor, where the log has no holes. */
const entriesAt = (cursor: Cursor, first: Cursor): number => Math.max(0, cursor - first + 1)

/** All checkpoints, smallest first. Those that do not count are told. */
const checkpointsOf = Effect.fnUntraced(function*(
  { outside, sha256 }: AuditSource, note: (problem: string) => void
): Effect.fn.Return<ReadonlyArray<SignedCheckpoint>> {
  if (outside === undefined) return []
  const notes = yield* Effect.result(outside.notes)
  if (notes._tag === "Failure") {
    note(notes.failure.message)
    return []
  }
  const signed: Array<SignedCheckpoint> = []
  for (const [at, text] of notes.success.entries()) {
    const opened = open(sha256, outside.signer, text)
    if (typeof opened === "string") note(`checkpoint ${at + 1} of ${notes.success.length} in ${outside.view().where} does not count: ${opened}`)
    // The empty journal is the beginning of every one.
    else if (opened.size > 0) signed.push(opened)
  }
  return signed.sort((a, b) => a.size - b.size)
})
