// Signing a module from the command line, and what a changed byte does to it.
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { run } from "../../bin/main.ts"
import { buildChild, project, type Project } from "../kit/tiers.ts"

describe("aaax module", () => {
  let folder: Project
  beforeAll(async () => {
    await buildChild()
    folder = project()
    folder.write("lib.ts", "export const channel: string = 'news'")
    folder.write("crawler.ts", `import { defineModule } from "aaax"\nimport { channel } from "./lib.ts"\nexport default defineModule({ id: "crawler", reads: { news: channel }, executors: ["http.fetch"] })`)
  })
  afterAll(() => folder.remove())
  afterEach(() => void vi.restoreAllMocks())

  const aaax = async (...args: ReadonlyArray<string>): Promise<{ readonly code: number; readonly said: string; readonly complained: string }> => {
    const texts = { said: "", complained: "" }
    const write = (into: "said" | "complained") => (text: unknown, ...rest: ReadonlyArray<unknown>): boolean => {
      texts[into] += String(text)
      const done = rest.at(-1)
      if (typeof done === "function") done()
      return true
    }
    vi.spyOn(process.stdout, "write").mockImplementation(write("said"))
    vi.spyOn(process.stderr, "write").mockImplementation(write("complained"))
    const code = await run(args)
    vi.restoreAllMocks()
    return { code, ...texts }
  }

  it("signs every file and what it asks for, with a key for its owner alone; verify runs none of its code", async () => {
    const file = join(folder.path, "crawler.ts")
    const key = join(folder.path, "keys/publisher.jwk")
    const signed = await aaax("module", "sign", file, "--key", key, "--json")
    expect(signed).toMatchObject({ code: 0 })
    expect(statSync(key).mode & 0o777).toBe(0o600)
    const { manifest } = JSON.parse(signed.said) as { manifest: { publisher: string } }
    expect(manifest).toMatchObject({ id: "crawler", entry: "crawler.ts", asks: { reads: ["news"], executors: ["http.fetch"], tier: "jail" } })
    expect(Object.keys((manifest as unknown as { files: object }).files)).toEqual(["crawler.ts", "lib.ts"])
    expect(JSON.parse(readFileSync(`${file}.signed.json`, "utf8"))).toEqual(manifest)
    expect(signed.said).not.toContain(JSON.parse(readFileSync(key, "utf8")).d)

    expect(await aaax("module", "verify", file, "--publisher", manifest.publisher)).toMatchObject({ code: 0, said: expect.stringContaining("its signature holds") })
    expect(await aaax("module", "verify", file, "--publisher", "x")).toMatchObject({ code: 4, complained: expect.stringContaining("it was signed by") })
    writeFileSync(join(folder.path, "lib.ts"), "export const channel: string = 'secrets'")
    expect(await aaax("module", "verify", file)).toMatchObject({ code: 4, complained: expect.stringContaining("lib.ts is another file than the one that was signed") })
    expect(await aaax("module", "verify", join(folder.path, "lib.ts"))).toMatchObject({ code: 4, complained: expect.stringContaining("it is not signed") })
  })
})
