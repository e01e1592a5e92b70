// The kernel of a folder was killed: its claims count again when it is back, so nobody is sent to another hub meanwhile.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { aaax, type Told } from "../../kit/command.ts"
import { makeRepository, type Repository } from "../../kit/repository.ts"

let repository: Repository
beforeEach(() => {
  repository = makeRepository()
  const { pid } = spawnSync(process.execPath, ["--version"])
  repository.write(".aaax/run/kernel.json", JSON.stringify({ pid, version: "0.1.0", url: "http://127.0.0.1:1", tokenFile: join(repository.path, ".aaax/run/token") }))
})
afterEach(() => {
  process.exitCode = undefined
  repository.remove()
})
const cli = (...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--dir", repository.path)

describe("in the folder of a kernel that was killed", () => {
  it("[149] commands say that it is gone and how to start it again, and ask no other hub", async () => {
    expect(await cli("who", "--name", "ada")).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("[ada] Could not reach hub at ws://127.0.0.1:1/synapse.\nthe kernel of ") })
    const taken = await cli("claims", "take", "a.ts")
    expect(taken).toMatchObject({ code: 6, stdout: "" })
    expect(taken.stderr).toContain(`the kernel of ${repository.path}`)
    expect(taken.stderr).toContain("Start it again with aaax launch, or name another hub with --uri")
    expect(await aaax("lock", "--dir", repository.path, "x", "--", "touch", join(repository.path, "ran"))).toMatchObject({ code: 1, stderr: expect.stringContaining("is gone") })
    expect(existsSync(join(repository.path, "ran"))).toBe(false)
  })

  it("[149] no commit passes, and another hub that is named is asked", async () => {
    repository.write("a.ts")
    repository.git("add", "a.ts")
    expect(await cli("claims", "check", "--staged")).toMatchObject({ code: 6, stderr: expect.stringContaining("the commit is refused") })
    expect(await cli("claims", "ls", "--uri", "ws://127.0.0.1:2")).toMatchObject({ code: 6, stderr: expect.stringContaining("ws://127.0.0.1:2") })
  })
})
