// Evidence on the command line: what `aaax audit` prints and ends with, over a running kernel and over a store that stands
// still, and the built verifier, alone in a folder with a bundle.
import { execFile } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { build, entry, type Folder, makeFolder, type Ran } from "../kit/command-line.ts"

beforeAll(build, 60_000)

/** The verifier as somebody has it who has nothing else of ours: one file. */
const alone = (folder: Folder, ...args: ReadonlyArray<string>): Promise<Ran> => {
  const elsewhere = join(folder.path, "elsewhere")
  mkdirSync(elsewhere, { recursive: true })
  copyFileSync(join(dirname(entry), "aaax-verify.js"), join(elsewhere, "aaax-verify.js"))
  writeFileSync(join(elsewhere, "package.json"), '{"type":"module"}')
  return new Promise((resolve) => {
    execFile(process.execPath, [join(elsewhere, "aaax-verify.js"), ...args], { cwd: folder.path }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }))
  })
}

describe("evidence on the command line", () => {
  let folder: Folder
  beforeEach(() => {
    folder = makeFolder()
    folder.write("aaax.config.json", JSON.stringify({ id: "test", modules: [] }))
  })
  afterEach(() => folder.remove())

  it("is verified, proved and exported, and checked where nothing else is", { timeout: 180_000 }, async () => {
    const running = await folder.launch()
    await folder.aaax("token", "mint", "ada", "--role", "read")
    expect(await folder.aaax("audit", "verify")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok {2}\d+ entries, chain head [0-9a-f]{64}\nroot/u) })
    expect(JSON.parse((await folder.aaax("audit", "prove", "1", "--json")).stdout)).toMatchObject({ ok: true, cursor: 1, index: 0, kind: "checkpoints.started" })
    expect(await folder.aaax("audit", "prove", "9999")).toMatchObject({ code: 3 })
    expect(await folder.aaax("audit", "export", "-o", "evidence.jsonl")).toMatchObject({ code: 0 })
    expect(await folder.aaax("audit", "accept-rollback", "--reason", "no")).toMatchObject({ code: 5 })
    expect((await folder.aaax("doctor")).stdout).toMatch(/ok {2}evidence +\d+ checkpoints in /u)
    const { key } = JSON.parse((await folder.aaax("audit", "export", "--since", "1h", "-o", "part.jsonl", "--json")).stdout) as { readonly key: string }
    for (const file of ["evidence.jsonl", "part.jsonl"]) expect(await alone(folder, file, "--key", key), file).toMatchObject({ code: 0, stderr: "" })
    expect((await alone(folder, "evidence.jsonl", "--key", `${key.startsWith("A") ? "B" : "A"}${key.slice(1)}`)).code).toBe(1)
    const lines = readFileSync(join(folder.path, "evidence.jsonl"), "utf8").split("\n")
    folder.write("changed.jsonl", lines.with(3, lines[3]!.replace('"kind":"', '"kind":"x')).join("\n"))
    expect(await alone(folder, "changed.jsonl")).toMatchObject({ code: 1, stdout: expect.stringContaining("entry #3 (line 4) was changed") })
    expect((await alone(folder, "--what")).code).toBe(2)
    // As a key may begin, and this one once in 64 times does.
    expect(await alone(folder, "evidence.jsonl", "--key", `${key.startsWith("-") ? "--" : "-"}${key.slice(key.startsWith("-") ? 2 : 1)}`)).toMatchObject({ code: 1, stdout: expect.stringContaining("it is signed with the key") })

    running.child.kill("SIGTERM")
    await running.ended
    expect(await folder.aaax("audit", "verify", "--json")).toMatchObject({ code: 0 })
    expect(await folder.aaax("audit", "export", "-o", "after.jsonl")).toMatchObject({ code: 0 })
    expect(await alone(folder, "after.jsonl", "--key", key, "--checkpoint", ".aaax/checkpoints/kernel.db/journal.checkpoints")).toMatchObject({ code: 0 })
  })

  it("keeps a rolled back store from being launched until it is accepted", { timeout: 180_000 }, async () => {
    const first = await folder.launch()
    first.child.kill("SIGTERM")
    await first.ended
    copyFileSync(join(folder.path, ".aaax/kernel.db"), join(folder.path, "backup.db"))
    const second = await folder.launch()
    second.child.kill("SIGTERM")
    await second.ended
    expect(await folder.aaax("audit", "accept-rollback", "--reason", "nothing is wrong")).toMatchObject({ code: 1, stderr: expect.stringContaining("nothing to accept") })
    copyFileSync(join(folder.path, "backup.db"), join(folder.path, ".aaax/kernel.db"))
    const refused = await folder.aaax("launch")
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain("aaax audit accept-rollback --reason")
    const report = await folder.aaax("audit", "verify", "--json")
    expect(report.code).toBe(1)
    expect(JSON.parse(report.stdout)).toMatchObject({ ok: false, problems: [expect.stringContaining("is missing: the journal has")] })
    expect(await folder.aaax("audit", "accept-rollback")).toMatchObject({ code: 2 })
    expect(await folder.aaax("audit", "accept-rollback", "--reason", "from a backup")).toMatchObject({ code: 0 })
    const third = await folder.launch()
    expect((await folder.aaax("audit", "tail", "--last", "20")).stdout).toContain("rollback.accepted")
    third.child.kill("SIGTERM")
    await third.ended
  })
})
