// What the wire has come to, as plain numbers: added to as it happens, and looked at by whoever asks.

export interface Counts {
  /** Frames of clients, and frames to them: what everybody is told counts once for each who is. */
  received: number
  sent: number
  granted: number
  renewed: number
  /** Claims that were refused. */
  denied: number
  /** Refusals of any kind, by their code. */
  readonly refusals: Map<string, number>
}

/** Another coordinator may have codes of its own: so many are told apart. */
const codesMax = 64
const others = "OTHER"

export const makeCounts = (): Counts => ({ received: 0, sent: 0, granted: 0, renewed: 0, denied: 0, refusals: new Map() })

export const countRefusal = ({ refusals }: Counts, code: string): void => {
  const known = refusals.has(code) || refusals.size < codesMax ? code : others
  refusals.set(known, (refusals.get(known) ?? 0) + 1)
}
