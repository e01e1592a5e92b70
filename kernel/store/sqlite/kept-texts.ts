// JSON texts of events that somebody asked for lately, as bytes: the next one who asks gets them without any work. What is
// committed never changes, so nothing here is ever wrong.
import type { TextForm } from "../../../protocol/event.ts"
import { textsBytesMax } from "../../limits.ts"

/** Events that follow one another: their texts, with commas between them. */
export interface Piece {
  readonly bytes: Uint8Array
  /** Where each text starts, and behind the last one where a next would. */
  readonly starts: Uint32Array
}

export interface Texts {
  readonly get: (channel: number, form: TextForm, number: number) => Piece | undefined
  readonly keep: (channel: number, form: TextForm, number: number, piece: Piece) => void
}

const keyOf = (channel: number, form: TextForm, number: number): string => `${channel} ${number} ${form}`

export const makeTexts = (): Texts => {
  const pieces = new Map<string, Piece>()
  let held = 0
  return {
    get: (channel, form, number) => {
      const key = keyOf(channel, form, number)
      const piece = pieces.get(key)
      if (piece === undefined) return undefined
      pieces.delete(key) // the least recently used one goes first
      pieces.set(key, piece)
      return piece
    },
    keep: (channel, form, number, piece) => {
      pieces.set(keyOf(channel, form, number), piece)
      held += piece.bytes.length
      for (const [key, { bytes }] of pieces) {
        if (held <= textsBytesMax) return
        pieces.delete(key)
        held -= bytes.length
      }
    }
  }
}
