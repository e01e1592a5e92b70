// Waiting with an end: for a time, for a promise, or until a signal says that it is enough.

/** Rest after a turn of work that took so long, so that turns begin at the pace that is asked for; none when it took longer. */
export const restAfter = (periodMillis: number, tookMillis: number): number => Math.max(0, periodMillis - tookMillis)

/** Longest wait that a timer of the platform takes, in milliseconds. */
const timerMillisMax = 2_147_483_647

/** Resolves when the promise has, when so many seconds are over, or when the signal is aborted; never rejects. */
export const within = (promise: Promise<unknown> | undefined, seconds: number | undefined, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    let timer: ReturnType<typeof setTimeout> | undefined
    const done = (): void => {
      if (timer !== undefined) clearTimeout(timer)
      signal?.removeEventListener("abort", done)
      resolve()
    }
    if (seconds !== undefined) timer = setTimeout(done, Math.min(Math.max(0, seconds * 1_000), timerMillisMax))
    signal?.addEventListener("abort", done, { once: true })
    promise?.then(done, done)
  })

/** A gate that is closed while somebody rests. */
export interface Gate {
  readonly close: () => void
  readonly open: () => void
  /** Pending for as long as it is closed; nothing when it is open. */
  readonly passed: () => Promise<void> | undefined
}

export const makeGate = (): Gate => {
  let closed: { readonly opened: Promise<void>; readonly open: () => void } | undefined
  return {
    close: () => {
      if (closed !== undefined) return
      let open = (): void => {}
      const opened = new Promise<void>((resolve) => (open = resolve))
      closed = { opened, open }
    },
    open: () => {
      closed?.open()
      closed = undefined
    },
    passed: () => closed?.opened
  }
}
