// What a hub answers a check of paths: one that answers for other paths than it was asked about allows nothing.
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { aaax } from "../../kit/command.ts"
import { fakeHub } from "../../kit/hub-fake.ts"
import { makeRepository, type Repository } from "../../kit/repository.ts"

let repository: Repository
beforeEach(() => {
  repository = makeRepository()
})
afterEach(() => repository.remove())

const mine = (path: string): object => ({ path, verdict: "mine", task: "t", owner: "ada" })

describe("aaax claims check", () => {
  it.each<readonly [string, (paths: ReadonlyArray<string>) => ReadonlyArray<object>, number]>([
    ["those that were asked about", (paths) => paths.map(mine), 0],
    ["none", () => [], 1],
    ["fewer", (paths) => paths.slice(1).map(mine), 1],
    ["more", (paths) => [...paths, "c"].map(mine), 1],
    ["others", (paths) => paths.map((path) => mine(`${path}x`)), 1],
    ["the same in another order", (paths) => paths.toReversed().map(mine), 1]
  ])("that is answered for %s", async (_, answered, code) => {
    const hub = await fakeHub({
      extensions: ["request_id", "ask"],
      answer: ({ ask, request_id: id, type }, say) => {
        if (type === "ask") say({ type: "answer", request_id: id, answer: ask.verb === "check" ? { ok: true, allowed: true, paths: answered(ask.paths) } : { ok: true } })
      }
    })
    try {
      const told = await aaax("claims", "check", "a", "b", "--seat", "ada", "--uri", hub.uri, "--dir", repository.path)
      expect(told, told.stderr).toMatchObject({ code })
      if (code === 1) expect(told.stderr).toContain("the hub answered for other paths than it was asked about: nothing is allowed.")
    } finally {
      await hub.close()
    }
  })
})
