// What is appended: objects whose JSON text is 300 bytes long.

const textBytes = 300

/** So many different payloads, each `{id, at, agent, kind, …}` of 300 bytes. */
const make = (count: number): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  Array.from({ length: count }, (_, n) => {
    const payload = {
      id: `task-${String(n).padStart(8, "0")}`,
      at: 1_750_000_000_000 + n,
      agent: `worker-${n % 64}`,
      tags: ["survey", "typescript"],
      scores: { lines: 100 + (n % 900), marks: n % 7 },
      done: n % 2 === 0,
      text: ""
    }
    payload.text = "a line of text ".repeat(20).slice(0, textBytes - JSON.stringify(payload).length)
    return payload
  })

export const payloads = make(1_000)

/** Drafts with these payloads, one for each event of a batch. */
export const drafts = payloads.map((payload) => ({ payload }))

/** The first `size` drafts. */
export const batchOf = (size: number): typeof drafts => drafts.slice(0, size)
