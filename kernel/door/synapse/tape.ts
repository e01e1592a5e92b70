// What everybody is told, in order, as bytes that are made once. Each connection has its place on the tape: whoever has something of
// its own to hear gets what lies before it at the same time, the others a moment later and then together, so that many who listen
// cost few writes.
import { synapseTapeMillisMax, synapseTapeMillisPerClient } from "../../limits.ts"
import type { Connection } from "./connection.ts"
import type { Counts } from "./counts.ts"
import { wireBytes } from "./wire-bytes.ts"

export interface Tape {
  /** To everybody who is admitted; `asker` gets it with this id, and at once. */
  readonly broadcast: (text: string, asker?: Connection, requestId?: string) => void
  /** One of its own, behind everything that was told before it. */
  readonly tell: (connection: Connection, text: string) => void
  /** The turn has ended: who listens is served now, or soon. */
  readonly ended: () => void
  /** It is told what comes from now on. */
  readonly enter: (connection: Connection) => void
  readonly leave: (connection: Connection) => void
  readonly close: () => void
}

export const makeTape = (counts: Pick<Counts, "sent"> = { sent: 0 }): Tape => {
  const places = new Map<Connection, number>()
  /** Askers of this turn. */
  const prompt = new Set<Connection>()
  let pieces: Array<Buffer> = []
  /** All of them as one, when somebody asked for that. */
  let whole: Buffer | undefined
  let flushedAt = 0
  let timer: NodeJS.Timeout | undefined

  /** What lies between a connection and the end. */
  const rest = (from: number): Buffer | undefined => {
    if (from >= pieces.length) return undefined
    if (from === pieces.length - 1) return pieces[from]
    if (from > 0) return Buffer.concat(pieces.slice(from))
    return (whole ??= Buffer.concat(pieces))
  }
  const serve = (connection: Connection): void => {
    const from = places.get(connection) ?? pieces.length
    const bytes = rest(from)
    if (bytes === undefined) return
    counts.sent += pieces.length - from
    places.set(connection, pieces.length)
    connection.outbox.sendWhole(bytes)
  }
  const flush = (): void => {
    timer = undefined
    flushedAt = performance.now()
    for (const [connection] of places) {
      serve(connection)
      places.set(connection, 0)
    }
    pieces = []
    whole = undefined
  }
  const add = (text: string): void => {
    pieces.push(wireBytes(text))
    whole = undefined
  }

  return {
    broadcast: (text, asker, requestId) => {
      if (asker === undefined || !places.has(asker)) return add(text)
      if (requestId === undefined) {
        add(text)
        return void prompt.add(asker)
      }
      serve(asker)
      add(text)
      places.set(asker, pieces.length)
      counts.sent++
      asker.outbox.sendWhole(wireBytes(`${text.slice(0, -1)},"request_id":${JSON.stringify(requestId)}}`))
    },
    tell: (connection, text) => {
      serve(connection)
      counts.sent++
      connection.outbox.sendWhole(wireBytes(text))
    },
    ended: () => {
      for (const connection of prompt) serve(connection)
      prompt.clear()
      if (pieces.length === 0 || timer !== undefined) return
      const pause = Math.min(synapseTapeMillisMax, places.size * synapseTapeMillisPerClient)
      const early = flushedAt + pause - performance.now()
      if (early <= 0.5) flush()
      else timer = setTimeout(flush, early)
    },
    enter: (connection) => void places.set(connection, pieces.length),
    leave: (connection) => {
      places.delete(connection)
      prompt.delete(connection)
    },
    close: () => clearTimeout(timer)
  }
}
