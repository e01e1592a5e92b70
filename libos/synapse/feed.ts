// What came, for those who iterate over it at their own pace: bounded, and never with a gap that nobody is told of.
import { Overloaded } from "../../protocol/errors.ts"

export interface Feed<T> {
  readonly push: (value: T) => void
  /** No more comes: with a failure when it ended by one. */
  readonly end: (failure?: unknown) => void
  /** One reader: from now on, until it ends or `signal` is aborted. */
  readonly read: (signal?: AbortSignal) => AsyncGenerator<T, void, undefined>
}

/** Values that wait for one slow reader. */
const waitingMax = 10_000

interface Reader<T> {
  waiting: Array<T>
  overflowed: boolean
  wake: () => void
}

export const makeFeed = <T>(what: string): Feed<T> => {
  const readers = new Set<Reader<T>>()
  let ended: { readonly failure?: unknown } | undefined
  const wakeAll = (): void => {
    for (const reader of readers) reader.wake()
  }
  return {
    push: (value) => {
      for (const reader of readers) {
        // What comes behind a gap does not come before the word of it.
        if (reader.waiting.length >= waitingMax) reader.overflowed = true
        else if (!reader.overflowed) reader.waiting.push(value)
        reader.wake()
      }
    },
    end: (failure) => {
      ended ??= failure === undefined ? {} : { failure }
      wakeAll()
    },
    read: (signal) => {
      // A reader is there when it was asked for, not when its first value is.
      const reader: Reader<T> = { waiting: [], overflowed: false, wake: () => undefined }
      readers.add(reader)
      const stop = (): void => reader.wake()
      const isAborted = (): boolean => signal?.aborted === true
      signal?.addEventListener("abort", stop, { once: true })
      return (async function*() {
        try {
          for (;;) {
            if (isAborted()) return
            const taken = reader.waiting
            reader.waiting = []
            for (const value of taken) {
              yield value
              if (isAborted()) return
            }
            if (reader.waiting.length > 0) continue
            if (reader.overflowed) throw new Overloaded({ what, limit: waitingMax, unit: "values", retryAfterMillis: 0 })
            if (ended !== undefined) {
              if (ended.failure !== undefined) throw ended.failure
              return
            }
            await new Promise<void>((resolve) => (reader.wake = resolve))
          }
        } finally {
          readers.delete(reader)
          signal?.removeEventListener("abort", stop)
        }
      })()
    }
  }
}
