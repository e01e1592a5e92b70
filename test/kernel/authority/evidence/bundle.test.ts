// Bundles that are not written: there is nothing signed to write, or less than was signed.
import { describe, expect, it } from "vitest"
import { writeBundle, type BundleSource } from "../../../../kernel/authority/evidence/bundle.ts"
import { sha256Bytes } from "../../../../kernel/power/digest.ts"
import type { Event } from "../../../../protocol/event.ts"

const event = (cursor: number): Event => ({ cursor, kind: "kernel.booted", payload: {}, metadata: { hash: "a".repeat(64), prev: "b".repeat(64) } }) as unknown as Event // what a bundle looks at
const write = (sizes: ReadonlyArray<number>, entries: number) => {
  const lines: Array<string> = []
  const source: BundleSource = {
    entries: async (after) => Array.from({ length: entries - after }, (_, at) => event(after + at + 1)),
    checkpoints: async () => ({ key: "k", notes: sizes.map((size) => `origin\n${size}\nroot`) }),
    payloadOf: async () => undefined
  }
  return writeBundle(source, sha256Bytes, { bodies: false }, (line) => void lines.push(line)).then(({ size }) => `of ${size}`, (error: Error) => `${error.message} ${lines.length}`)
}

describe("a bundle", () => {
  it("is of entries that were signed, and of all of those", async () => {
    expect(await write([], 3)).toBe("There is no checkpoint yet that covers an entry; launch the kernel once. 0")
    expect(await write([0], 3)).toBe("There is no checkpoint yet that covers an entry; launch the kernel once. 0")
    expect(await write([2, 4], 3)).toBe("The journal has 3 entries, and 4 were signed: see aaax audit verify. 0")
    expect(await write([2, 3], 3)).toBe("of 3")
  })
})
