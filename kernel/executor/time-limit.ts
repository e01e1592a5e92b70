// A time limit beside a signal. `AbortSignal.any` over `AbortSignal.timeout` is none: Node 20 forgets the timer when memory is
// collected, and what should have ended goes on.

/** Runs with a signal that is aborted when `signal` is, and after so long. */
export const timeLimited = async <A>(signal: AbortSignal, millis: number, run: (ended: AbortSignal) => Promise<A>): Promise<A> => {
  const ended = new AbortController()
  const stop = (): void => ended.abort(signal.reason)
  const timer = setTimeout(() => ended.abort(new DOMException(`it took longer than ${millis} ms`, "TimeoutError")), millis)
  if (signal.aborted) stop()
  else signal.addEventListener("abort", stop, { once: true })
  try {
    return await run(ended.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", stop)
  }
}
