// Server-sent events over `fetch`: parsed as they come, and asked for again behind the last one when the connection breaks.
import { Event } from "../../protocol/event.ts"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { KernelFault, KernelUnreachable, failureOf, reasonOf } from "../http.ts"
import { pause } from "../pause.ts"

export interface EventSourceOptions {
  readonly url: string
  /** The request; `lastEventId` is the id of the newest event that came. */
  readonly make: (lastEventId: string | undefined) => Request
  readonly signal?: AbortSignal
  readonly fetch?: typeof fetch
  /** A stream that ends by itself is over. Otherwise it is asked for again. */
  readonly ends?: boolean
}

const decodeEvent = Schema.decodeUnknownOption(Schema.fromJsonString(Event))

const pauseMillisFirst = 100
const pauseMillisMax = 10_000
/** Longest line that is put together from parts. */
const lineLengthMax = 64 * 1_048_576
/** A stream that says nothing for so long is gone: the kernel gives a sign of life every 15 seconds. */
const silenceMillis = 45_000

interface Block {
  readonly id: string | undefined
  readonly name: string | undefined
  readonly data: string
}

/** Blocks of an event stream. Fails when nothing comes for too long. */
async function* blocks(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Block, void, undefined> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const stop = (): void => void reader.cancel().catch(() => {})
  signal.addEventListener("abort", stop, { once: true })
  let rest = ""
  let id: string | undefined
  let name: string | undefined
  let data: string | undefined
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined
      const silent = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("nothing was heard for too long")), silenceMillis)
      })
      const part = await Promise.race([reader.read(), silent]).finally(() => clearTimeout(timer))
      if (part.done) return
      rest += decoder.decode(part.value, { stream: true })
      if (rest.length > lineLengthMax) throw new Error("a line that does not end")
      const lines = rest.split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        if (line === "") {
          if (data !== undefined) yield { id, name, data }
          id = name = data = undefined
        } else if (line.startsWith("data:")) data = `${data === undefined ? "" : `${data}\n`}${line.slice(line[5] === " " ? 6 : 5)}`
        else if (line.startsWith("id:")) id = line.slice(3).trim()
        else if (line.startsWith("event:")) name = line.slice(6).trim()
      }
    }
  } finally {
    signal.removeEventListener("abort", stop)
    stop()
  }
}

/**
 * Events in order, without end: until `signal` is aborted, or the kernel says that there is no going on (a gap, a refusal),
 * which is thrown as what it is.
 */
export async function* eventSource({ ends = false, make, signal, url, ...options }: EventSourceOptions): AsyncGenerator<Event, void, undefined> {
  const over = new AbortController()
  const ended = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  let lastEventId: string | undefined
  let tries = 0
  try {
    while (!ended.aborted) {
      let failure: unknown
      try {
        const response = await (options.fetch ?? fetch)(make(lastEventId), { signal: ended })
        if (response.status === 429 || response.status >= 500) {
          failure = failureOf(url, await response.text())
          if (response.status === 500) throw new Final(failure)
        } else if (!response.ok) throw new Final(failureOf(url, await response.text()))
        else if (response.body === null) throw new Final(new KernelFault({ url, reason: "its stream is empty" }))
        else {
          for await (const block of blocks(response.body, ended)) {
            if (block.name === "problem") throw new Final(failureOf(url, block.data))
            const event = Option.getOrUndefined(decodeEvent(block.data))
            if (event === undefined) throw new Final(new KernelFault({ url, reason: "its stream has something that is no event" }))
            tries = 0
            lastEventId = block.id ?? lastEventId
            yield event
          }
          if (ends) return
        }
      } catch (thrown) {
        if (ended.aborted) return
        if (thrown instanceof Final) throw thrown.failure
        failure = new KernelUnreachable({ url, reason: reasonOf(thrown) })
        // Nobody has ever been there: that is no connection that broke.
        if (lastEventId === undefined && tries >= firstTriesMax) throw failure
      }
      await pause(Math.min(pauseMillisMax, pauseMillisFirst * 2 ** Math.min(tries++, 16)) * (0.5 + Math.random() / 2), ended)
    }
  } finally {
    over.abort()
  }
}

/** Attempts before a kernel that never answered counts as not there. */
const firstTriesMax = 4

/** Something that asking again does not mend. */
class Final {
  readonly failure: unknown
  constructor(failure: unknown) {
    this.failure = failure
  }
}
