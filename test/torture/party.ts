// One of two processes that exchange events through a kernel: bundled, started with its terms as JSON, and killed at will.
// The asker appends numbers and takes the answers; the answerer takes what is asked and answers it.
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import { connect } from "../../libos/remote.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import { asks, answers, type PartyTerms, type PartyTold } from "./terms.ts"

const { events, party, token, url } = JSON.parse(process.argv[2] ?? "{}") as PartyTerms

/** Written before anything follows from it: a process that is killed has said it, or has not done it. */
const tell = (told: PartyTold): void => void writeSync(1, `${JSON.stringify(told)}\n`)

const batch = 64
const call = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect)

/** Takes without end, and hands on what each batch holds before it is settled. */
const work = async (port: Port, channel: string, handle: (taken: ReadonlyArray<{ readonly id: string; readonly n: number }>) => Promise<boolean>): Promise<void> => {
  for (;;) {
    const items = await call(port.take(channel, { limit: batch, wait: true }))
    tell({ told: "took", channel, items: items.map(({ epoch, event }) => [event.cursor, epoch]) })
    const isLast = await handle(items.map(({ event }) => ({ id: event.id, n: (event.payload as { readonly n: number }).n }))) // what is asked and answered
    await call(port.settle(channel, items.map(({ epoch, event }) => ({ cursor: event.cursor, epoch, outcome: "ack" }))))
    if (isLast) return
  }
}

const ask = async (port: Port): Promise<void> => {
  const asking = (async () => {
    for (let at = 0; at < events; at += batch) {
      const drafts = Array.from({ length: Math.min(batch, events - at) }, (_, more) => ({ payload: { n: at + more } }))
      await call(port.append(asks, drafts, { key: `ask/${at}` }))
    }
  })()
  const answered = new Set<number>()
  await work(port, answers, async (items) => {
    for (const { n } of items) answered.add(n)
    return answered.size === events
  })
  await asking
  tell({ told: "done" })
}

const answer = (port: Port): Promise<void> =>
  work(port, asks, async (items) => {
    // Each under the key of what it answers: done again by the next process, it is done once.
    await Promise.all(items.map(({ id, n }) => call(port.append(answers, [{ payload: { n } }], { key: `answer/${id}` }))))
    return false
  })

// It is ready before it is needed.
tell({ told: "ready" })
await new Promise<void>((resolve) => process.stdin.once("data", () => resolve()))
process.stdin.destroy()
const kernel = await connect({ url, token })
const ended = new Promise<void>((resolve, reject) => {
  const run = (port: Port): Effect.Effect<void, unknown> =>
    Effect.tryPromise({ try: () => (party === "asker" ? ask(port) : answer(port)).then(resolve), catch: (thrown) => (reject(thrown), thrown) })
  const [takes, writes] = party === "asker" ? [answers, asks] : [asks, answers]
  kernel.dock({ manifest: { ...emptyManifest(party), takes: [takes], writes: [writes] }, run }, { waitMillis: 30_000 }).then(() => tell({ told: "docked" }), reject)
})
await ended
await kernel.close()
