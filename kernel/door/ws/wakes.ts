// What wakes the feeds of a door: one listener to the commits of the store, and turns in which woken feeds read. Commits that
// follow closely wake a feed once.
import type { ChannelId } from "../../../protocol/names.ts"
import type { StoreService } from "../../store/store.ts"

export interface Wakes {
  /** Calls back after each commit to a channel, with how many are called; answers how to stop that. It must be quick. */
  readonly on: (channel: ChannelId, wake: (together: number) => void) => () => void
  /** The same for commits to any channel. */
  readonly onAny: (wake: (channel: ChannelId, together: number) => void) => () => void
  /** Runs it once in the next turn, however often it is asked for under one owner. */
  readonly soon: (owner: object, run: () => void) => void
  /** Runs it after a pause, with everything else that waits for it. */
  readonly later: (owner: object, run: () => void, millis: number) => void
  readonly close: () => void
}

export const makeWakes = (store: StoreService): Wakes => {
  const byChannel = new Map<ChannelId, Set<(together: number) => void>>()
  const any = new Set<(channel: ChannelId, together: number) => void>()
  let next = new Map<object, () => void>()
  let paused = new Map<object, () => void>()
  let timer: NodeJS.Timeout | undefined

  const stop = store.onCommit((channel) => {
    const wakes = byChannel.get(channel)
    if (wakes !== undefined) for (const wake of wakes) wake(wakes.size)
    for (const wake of any) wake(channel, any.size)
  })
  const turn = (): void => {
    const runs = next
    next = new Map()
    for (const run of runs.values()) run()
  }
  return {
    on: (channel, wake) => {
      const wakes = byChannel.get(channel) ?? new Set()
      byChannel.set(channel, wakes.add(wake))
      return () => {
        wakes.delete(wake)
        if (wakes.size === 0 && byChannel.get(channel) === wakes) byChannel.delete(channel)
      }
    },
    onAny: (wake) => {
      any.add(wake)
      return () => void any.delete(wake)
    },
    soon: (owner, run) => {
      if (next.size === 0) setImmediate(turn)
      next.set(owner, run)
    },
    later: (owner, run, millis) => {
      paused.set(owner, run)
      timer ??= setTimeout(() => {
        timer = undefined
        const runs = paused
        paused = new Map()
        for (const each of runs.values()) each()
      }, millis)
    },
    close: () => {
      stop()
      clearTimeout(timer)
    }
  }
}
