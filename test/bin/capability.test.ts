// Capabilities from the command line, against a kernel in this process.
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createClient } from "aaax/client"
import { Denied, GrantNotFound, InvalidPayload, SystemNotFound } from "../../protocol/errors.ts"
import type { GrantStory, GrantView } from "../../protocol/view.ts"
import { findRun } from "../../bin/run-file.ts"
import { aaax, type Told } from "../kit/command.ts"
import { probe } from "../kit/probe.ts"
import { runIn, type Running } from "../kit/running.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-cap-"))
let running: Running

const cap = (...args: ReadonlyArray<string>): Promise<Told> => aaax("cap", ...args, "--dir", directory)
const told = async <A = GrantView>(...args: ReadonlyArray<string>): Promise<A> => JSON.parse((await cap(...args, "--json")).stdout) as A

beforeAll(async () => {
  running = await runIn(directory)
  for (const id of ["writer", "helper"]) await Effect.runPromise(Effect.orDie(probe(running.kernel, id)))
})
afterAll(async () => {
  await running.stop()
  rmSync(directory, { recursive: true, force: true })
})

describe("aaax cap", () => {
  it("mints, lists, shows, delegates and revokes, and takes the tree with the root", async () => {
    const minted = await told(
      "issue", "writer", "fs.write", "--target", "reports/**", "--target", "notes/*", "--uses", "3", "--ttl", "10m", "--risk", "medium", "--rate", "2/1m",
      "--arg", "/path=glob:reports/**", "--arg", "/depth=le:3", "--arg", "/mode=in:[\"a\",\"b\"]", "--arg", "/force=absent", "--arg", "/note=eq:plain text",
      "--budget", "tokens=100", "--delegations", "1", "--action", "write*", "--access", "execute"
    )
    expect(minted).toMatchObject({
      holder: "writer", resource: "fs.write", access: "execute", origin: "operator", parent: null, uses: 0,
      caveats: {
        targets: ["reports/**", "notes/*"], usesMax: 3, riskMax: "medium", rate: { count: 2, perMillis: 60_000 }, budget: { tokens: 100 }, delegationsMax: 1, actions: ["write*"],
        arguments: [
          { pointer: "/path", op: "glob", value: "reports/**" }, { pointer: "/depth", op: "le", value: 3 }, { pointer: "/mode", op: "in", value: ["a", "b"] },
          { pointer: "/force", op: "absent" }, { pointer: "/note", op: "eq", value: "plain text" }
        ],
        expiresAt: minted.issuedAt + 600_000
      }
    })
    const child = await told("delegate", minted.id, "helper", "--uses", "1", "--facet", "--ttl", "1m")
    expect(child).toMatchObject({ holder: "helper", giver: "writer", facet: true, parent: minted.id, caveats: { usesMax: 1 } })
    expect(await told<ReadonlyArray<GrantView>>("ls", "--holder", "helper")).toEqual([child])
    expect((await cap("ls")).stdout).toMatch(/CAPABILITY +HOLDER +RESOURCE/u)
    expect(await told<GrantStory>("show", child.id)).toMatchObject({ usesLeft: 1, below: 0, endsAt: child.caveats.expiresAt, chain: [{ id: minted.id }] })
    const shown = (await cap("show", minted.id)).stdout
    for (const words of ["allows     execute on fs.write", "uses       0, 3 left", "target reports/** | notes/*", "/mode in [\"a\",\"b\"]", "2 per 60 s", "from       operator, ", "1 delegations deep", "below      1 delegated from it"]) {
      expect(shown).toContain(words)
    }
    const open = await told("delegate", minted.id, "helper")
    expect((await cap("ls")).stdout).toMatch(new RegExp(`^${open.id} .* with its parent `, "mu"))
    // The beginning of an id is enough while it means one.
    expect((await cap("revoke", minted.id)).stdout).toBe(`revoked ${minted.id}, and 2 that were delegated from it\n`)
    expect(await told<ReadonlyArray<GrantView>>("ls", "--resource", "fs.write")).toEqual([])
    expect((await cap("--holder", "writer")).stdout).toBe("Nobody holds anything.\n")
  })

  it.each<[string, ReadonlyArray<string>, number, RegExp]>([
    ["a system that is not docked", ["issue", "writre", "fs.write"], 3, /Did you mean writer/u],
    ["a risk that is none", ["issue", "writer", "x", "--risk", "spicy"], 2, /none of low, medium, high, irreversible/u],
    ["an access that is none", ["issue", "writer", "x", "--access", "own"], 2, /none of read, write, execute/u],
    ["an argument that is none", ["issue", "writer", "x", "--arg", "/a=like:b"], 2, /POINTER=OP:VALUE/u],
    ["an operation on the wrong value", ["issue", "writer", "x", "--arg", "/a=le:many"], 2, /POINTER=OP:VALUE/u],
    ["a pointer that the kernel refuses", ["issue", "writer", "x", "--arg", "/__proto__/a=eq:1"], 2, /never walked/u],
    ["a unit that is none", ["issue", "writer", "x", "--budget", "bananas=3"], 2, /UNIT=AMOUNT/u],
    ["a rate that is none", ["issue", "writer", "x", "--rate", "often"], 2, /COUNT\/SPAN/u],
    ["a time that is too long", ["issue", "writer", "x", "--ttl", "400d"], 2, /ttl must be/u],
    ["a capability that is not there", ["show", "issued:9:999"], 3, /issued:9:999/u],
    ["a delegation of nothing", ["delegate", "issued:9:999", "helper"], 3, /issued:9:999/u]
  ])("says what is wrong with %s", async (_, args, code, words) => {
    const answer = await cap(...args)
    expect([answer.code, answer.stdout]).toEqual([code, ""])
    expect(answer.stderr).toMatch(words)
  })
})

describe("the client", () => {
  it("mints and delegates by the same routes, and fails by type", async () => {
    const { tokenFile, url } = findRun(directory)!.run
    const client = createClient({ url, token: readFileSync(tokenFile, "utf8").trim() })
    const minted = await client.capabilities.issue({ to: "writer", resource: "x", access: "write", caveats: { delegationsMax: 0 }, ttl: 60 })
    expect(await client.capabilities.get(minted.id)).toMatchObject({ chain: [], below: 0, usesLeft: null })
    const failures = await Promise.all([
      client.capabilities.delegate({ token: minted.id, to: "helper" }),
      client.capabilities.delegate({ token: "nothing", to: "helper" }),
      client.capabilities.issue({ to: "nobody", resource: "x", access: "read" }),
      client.capabilities.issue({ to: "writer", resource: "x", access: "read", caveats: { colour: "red" } as never })
    ].map((promise) => promise.catch((error: unknown) => error)))
    expect(failures.map((error) => (error as { constructor: unknown }).constructor)).toEqual([Denied, GrantNotFound, SystemNotFound, InvalidPayload])
    expect(await client.capabilities.revoke(minted.id)).toBe(1)
  })
})
