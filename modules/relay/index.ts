// Relay: mirrors what everybody is told, claims, plan, chat and presence, line by line into a file that other programs follow.
import { coordination, defineModule, pause, synapse, type RelaySink, type System } from "aaax"
import { encodeLite, encodeLossless, type Frame } from "./codec.ts"

export { decode, encodeLite, encodeLossless, type Frame, type LiteLine, type LosslessLine } from "./codec.ts"
export { isWanted, shown, type Wanted } from "./show.ts"

export interface RelayOptions {
  /** Where the lines go: `relayFile({ path })` of `aaax/kernel`, or what else takes lines. */
  readonly sink: RelaySink
  readonly id?: string
  /** `lossless` (default) keeps every field; `lite` what people read, as the first generation of relays did. */
  readonly form?: "lossless" | "lite"
  /** What stands as `hub_id` in the lines. */
  readonly hub?: string
}

const retryMillisFirst = 250
const retryMillisMax = 30_000

/**
 * Every entry is one line, or two for a handoff. After a crash the last lines may come once more; none is left out that the
 * channels still keep.
 */
export const relay = ({ form = "lossless", hub = "", id = "relay", sink }: RelayOptions): System => {
  if (typeof sink?.append !== "function") throw new TypeError("a relay needs a sink: settings = { path = \"relay.ndjson\" } in a config, relay({ sink: relayFile({ path }) }) with relayFile of aaax/kernel in code")
  const lineOf = (told: object, at: number): string => {
    const frame = told as Frame // an object has fields, of whatever kind
    return JSON.stringify(form === "lite" ? encodeLite(frame, at) : encodeLossless(frame))
  }
  return defineModule({
    id,
    description: "mirrors what everybody is told to a file, line by line",
    reads: { ledger: coordination.ledger, talk: coordination.talk, presence: coordination.presence },
    run: async ({ log, reads, signal }) => {
      const roster = synapse.makeRoster()
      const mirror = async (events: ReadonlyArray<synapse.Written>): Promise<void> => {
        const lines = events.flatMap((event) => {
          synapse.foldRoster(roster, event.kind, event.payload)
          return synapse.framesOf(event, hub, roster.online).map((frame) => lineOf(frame, event.recordedAt))
        })
        for (let millis = retryMillisFirst; lines.length > 0 && !signal.aborted; millis = Math.min(2 * millis, retryMillisMax)) {
          try {
            return await sink.append(lines)
          } catch (error) {
            log.error(`the relay takes no lines, tried again in ${millis} ms`, { reason: String(error) })
            await pause(millis, signal)
          }
        }
        // Not handled: it comes again.
        if (lines.length > 0) throw new Error("the relay was stopped before its lines were taken")
      }
      const follow = async (channel: "ledger" | "talk"): Promise<void> => {
        const { head } = await reads[channel].read({ limit: 1 })
        for await (const events of reads[channel].batches({ from: channel, after: head, gap: "continue" })) await mirror(events)
      }
      /** Who was there before is not told again, but belongs to the roster. */
      const followPresence = async (): Promise<void> => {
        const { head } = await reads.presence.read({ limit: 1 })
        for await (const events of reads.presence.batches({ from: "start", gap: "continue" })) {
          for (const event of events) if (event.cursor <= head) synapse.foldRoster(roster, event.kind, event.payload)
          await mirror(events.filter(({ cursor }) => cursor > head))
        }
      }
      try {
        await Promise.all([follow("ledger"), follow("talk"), followPresence()])
      } finally {
        // Whoever starts again appends again.
        await sink.close()
      }
    }
  })
}

export default relay
