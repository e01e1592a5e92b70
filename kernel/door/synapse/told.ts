// What one turn tells: broadcasts as bytes that are made once, and for whoever asked for one the same with the request's id.
import type { Event } from "../../../protocol/event.ts"
import type { Connection } from "./connection.ts"
import { wireBytes } from "./wire-bytes.ts"

export interface Turn {
  /** `asker` gets it with this id. */
  readonly broadcast: (text: string, asker?: Connection, requestId?: string) => void
  /** Sends what was gathered. */
  readonly send: (connections: Iterable<Connection>) => void
}

interface Piece {
  readonly bytes: Buffer
  readonly asker: Connection | undefined
  readonly own: Buffer | undefined
}

export const makeTurn = (): Turn => {
  let pieces: Array<Piece> = []
  let askers = new Set<Connection>()
  return {
    broadcast: (text, asker, requestId) => {
      const own = asker === undefined || requestId === undefined ? undefined : wireBytes(`${text.slice(0, -1)},"request_id":${JSON.stringify(requestId)}}`)
      pieces.push({ bytes: wireBytes(text), asker, own })
      if (own !== undefined && asker !== undefined) askers.add(asker)
    },
    send: (connections) => {
      if (pieces.length === 0) return
      const given = pieces
      const all = given.length === 1 ? given[0]!.bytes : Buffer.concat(given.map(({ bytes }) => bytes))
      const special = askers
      pieces = []
      askers = new Set()
      for (const connection of connections) {
        if (!connection.isAdmitted()) continue
        if (special.size === 0 || !special.has(connection)) connection.outbox.sendWhole(all)
        else for (const { asker, bytes, own } of given) connection.outbox.sendWhole(asker === connection && own !== undefined ? own : bytes)
      }
    }
  }
}

/** Until somebody left, who came is told before what they said; from then on after it. */
export const inOrder = (presence: ReadonlyArray<Event>, others: ReadonlyArray<Event>): ReadonlyArray<Event> => {
  if (presence.length === 0) return others
  const leaving = presence.findIndex(({ kind }) => kind === "left" || kind === "withdrawn")
  return leaving < 0 ? [...presence, ...others] : [...presence.slice(0, leaving), ...others, ...presence.slice(leaving)]
}
