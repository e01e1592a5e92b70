// Sending a request until it is answered: again after a pause when nothing was done, or when doing it twice is the same as
// once. Connections are kept by the platform and used again.
import { TimedOut } from "../../protocol/errors.ts"
import { KernelUnreachable, reasonOf } from "../http.ts"

export interface SendOptions {
  /** For messages. */
  readonly url: string
  readonly what: string
  /** Doing it twice is the same as doing it once. */
  readonly isRepeatable: boolean
  /** How often it is sent again at most; default 4. */
  readonly retries?: number
  /** How long one attempt may take, its answer included; default 30 seconds. */
  readonly timeoutMillis?: number
  readonly signal?: AbortSignal
  readonly fetch?: typeof fetch
}

export const retriesDefault = 4
export const timeoutMillisDefault = 30_000
const pauseMillisFirst = 100
const pauseMillisMax = 10_000

const sleep = (millis: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop)
      resolve()
    }, millis)
    signal?.addEventListener("abort", stop, { once: true })
  })

/** What the server asks for, or a pause that doubles; never the same for two clients. */
const pauseOf = (tries: number, response: Response | undefined): number => {
  const asked = Number(response?.headers.get("retry-after") ?? "")
  const millis = asked > 0 ? asked * 1_000 : pauseMillisFirst * 2 ** tries
  return Math.min(pauseMillisMax, millis) * (asked > 0 ? 1 + Math.random() / 4 : 0.5 + Math.random() / 2)
}

/** Sends what `make` makes and reads the answer with `read`, both within one attempt. */
export const sendUntilAnswered = async <A>(
  make: () => Request, read: (response: Response) => Promise<A>, options: SendOptions
): Promise<{ readonly response: Response; readonly value: A }> => {
  const { isRepeatable, retries = retriesDefault, signal, timeoutMillis = timeoutMillisDefault, url, what } = options
  for (let tries = 0;; tries++) {
    let response: Response | undefined
    let failure: unknown
    const timeout = AbortSignal.timeout(timeoutMillis)
    try {
      response = await (options.fetch ?? fetch)(make(), { signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) })
      const value = await read(response)
      // 429: it was turned away before anything was done. 503: it may have been.
      if (tries >= retries || !(response.status === 429 || (response.status === 503 && isRepeatable))) return { response, value }
    } catch (thrown) {
      if (signal?.aborted === true) throw signal.reason
      failure = timeout.aborted ? new TimedOut({ what, millis: timeoutMillis }) : new KernelUnreachable({ url, reason: reasonOf(thrown) })
      if (!isRepeatable || tries >= retries) throw failure
    }
    await sleep(pauseOf(tries, response), signal)
  }
}
