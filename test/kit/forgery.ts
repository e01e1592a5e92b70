// A forger with the store in hand, and without the audit key: reads a journal out of a database file and writes another one,
// with a chain that holds.
import * as Effect from "effect/Effect"
import { rmSync } from "node:fs"
import { prepareOwn } from "../../kernel/store/codec.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { makeClock } from "../../kernel/clock.ts"
import { sha256Hex } from "../../kernel/power/digest.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import type { Channel } from "../../protocol/channel.ts"
import { kernelSystem } from "../../protocol/names.ts"
import { journal } from "../../protocol/well-known.ts"

export interface Forged {
  readonly kind: string
  readonly payload: unknown
  readonly correlationId: string | null
  /** Of the chain that it came from; kept when the forger does not hash anew. */
  readonly prev: unknown
  readonly hash: unknown
}

export interface Stolen {
  readonly channels: ReadonlyArray<Channel>
  readonly entries: ReadonlyArray<Forged>
}

export const steal = (path: string): Promise<Stolen> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const store = yield* Sqlite.make({ path, clock: makeClock() })
    const entries: Array<Forged> = []
    for (let after = 0; ;) {
      const { events, next } = yield* store.read(journal, { after, limit: 500 })
      entries.push(...events.map(({ correlationId, kind, metadata, payload }) => ({ kind, payload, correlationId, prev: metadata["prev"], hash: metadata["hash"] })))
      if (events.length === 0) return { channels: store.channels(), entries }
      after = next
    }
  })))

/** Writes a database anew that holds these entries. `isHashed`: with a chain that holds, else with the hashes that they have. */
export const forge = (path: string, { channels, entries }: Stolen, isHashed = true): Promise<void> => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true })
  return Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const store = yield* Sqlite.make({ path, clock: makeClock() })
    for (const channel of channels) yield* store.putChannel(channel)
    const definition = channels.find(({ name }) => name === journal)!
    let prev = ""
    let head = 0
    for (const entry of entries) {
      const text = canonical(entry.payload)
      const hash = sha256Hex(`${prev}\n${entry.kind}\n${text}`)
      const metadata = isHashed ? { prev, hash } : { prev: entry.prev as string, hash: entry.hash as string }
      const draft = prepareOwn({ kind: entry.kind, payloadText: text, metadata, correlationId: entry.correlationId }, kernelSystem, definition)
      const [appended] = yield* store.append(journal, [draft], { sender: kernelSystem, expectedHead: head })
      head = appended!.cursor
      prev = hash
    }
  })))
}
