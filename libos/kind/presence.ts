// Presence: what a system has said of itself in discovery channels, said again before it expires and taken back at its end.
import * as Effect from "effect/Effect"
import type { Session } from "../surface.ts"
import { within } from "./rest.ts"

export interface Presence {
  /** Says it now, and again after half of its life. A second call under the same name replaces the first. */
  readonly keep: (name: string, ttlSeconds: number, say: () => Promise<void>, takeBack?: () => Promise<void>) => Promise<void>
  /** Says nothing any more, and takes back what can be. */
  readonly leave: () => Promise<void>
}

interface Said {
  readonly ended: AbortController
  readonly takeBack: (() => Promise<void>) | undefined
}

export const makePresence = (session: Session): Presence => {
  const said = new Map<string, Said>()
  return {
    keep: async (name, ttlSeconds, say, takeBack) => {
      await say()
      said.get(name)?.ended.abort()
      const ended = new AbortController()
      said.set(name, { ended, takeBack })
      const signal = AbortSignal.any([session.signal, ended.signal])
      const repeat = async (): Promise<void> => {
        for (;;) {
          await within(undefined, ttlSeconds / 2, signal)
          if (signal.aborted) return
          // Not said this time is said the next; it expires only when nobody can write any more.
          await say().catch((error: unknown) => session.bridge.start(Effect.logWarning(`${name}: not registered again: ${String(error)}`)))
        }
      }
      void repeat()
    },
    leave: async () => {
      const all = [...said.values()]
      said.clear()
      for (const { ended } of all) ended.abort()
      await Promise.all(all.map(({ takeBack }) => takeBack?.().catch(() => undefined)))
    }
  }
}
