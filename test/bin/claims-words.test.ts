// What commands of claims tell people to type: it can be typed, where they are, and shows a terminal nothing that it would obey.
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { quoted, quotedPath } from "../../bin/claims/words.ts"
import { SynapseHub } from "../../kernel/synapse-hub.ts"
import { aaax, type Told } from "../kit/command.ts"
import { makeRepository, type Repository } from "../kit/repository.ts"

let hub: SynapseHub
let repository: Repository
beforeAll(async () => {
  hub = await new SynapseHub({ port: 0 }).start()
})
afterAll(() => hub.stop())
beforeEach(() => {
  repository = makeRepository()
})
afterEach(() => {
  delete process.env["GIT_PREFIX"]
  repository.remove()
})
const cli = (folder: string, ...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--uri", hub.uri, "--dir", folder)

describe("a word for a shell", () => {
  it("is read back as it was, and holds nothing that a terminal would obey", () => {
    for (const word of ["src/a.ts", "it's here", "new\nline", "\u001b[31mred\\n'", "café", "$HOME `x` \"y\"", "a\u202eb"]) {
      expect(execFileSync("bash", ["-c", `printf %s ${quoted(word)}`], { encoding: "utf8", env: { LC_ALL: "C.UTF-8" } })).toBe(word)
      // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
      expect(quoted(word)).not.toMatch(/[\u0000-\u001f\u202e]/u)
    }
    expect(quotedPath("-x")).toBe("./-x")
  })
})

describe("a refused commit", () => {
  it("says what to claim as it is typed in the folder where the user is", async () => {
    repository.write("sub/-x.ts")
    repository.write("top.ts")
    repository.git("add", ".")
    expect((await cli(join(repository.path, "sub"), "claims", "check", "--staged", "--seat", "a")).stderr).toContain("try: aaax claims take ./-x.ts ../top.ts --seat a\n")
    // Git runs hooks at the top, and says where it was called.
    process.env["GIT_PREFIX"] = "sub/"
    expect((await cli(repository.path, "claims", "check", "--staged", "--seat", "a")).stderr).toContain("try: aaax claims take ./-x.ts ../top.ts --seat a\n")
  })
})

describe("nobody who writes, and nothing in particular", () => {
  it("are said in words", async () => {
    expect(await cli(repository.path, "inbox", "--wait", "--timeout", "0", "--name", "ida")).toEqual({ code: 7, stdout: "", stderr: "nobody wrote to ida within 0 s.\n" })
    await cli(repository.path, "claims", "take", "--all", "--seat", "ida", "--task", "all")
    expect((await cli(repository.path, "state", "--owner", "ida")).stdout).toContain("  all [claimed] owner=ida paths=- checkpoint=-\n")
  })
})
