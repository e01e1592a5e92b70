// A relay from a config of any kind: the file is named in its settings, and the kernel gives it to the module to write.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { configFromFile, host, launch } from "../../../kernel/host.ts"
import { defineModule } from "../../../libos/module.ts"
import { decode } from "../../../modules/relay/index.ts"

let folder = ""
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "aaax-relay-config-"))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const framesIn = (path: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(1, -1).map((line) => decode(JSON.parse(line) as Readonly<Record<string, unknown>>)!) : []

const start = async (file: string, text: string) => {
  writeFileSync(join(folder, file), text)
  const { config, directory } = await configFromFile(join(folder, file))
  return host(config, directory, directory, false)
}

const toml = (settings: string): string => `
[store]
backend = "memory"

[[modules]]
id = "coordinator"
file = "aaax/modules/coordinator"

[[modules]]
id = "mirror"
file = "aaax/modules/relay"
settings = ${settings}
`

/** Says something until it is mirrored: a relay begins with what comes when it has looked where it is. */
const speak = async (kernel: Awaited<ReturnType<typeof start>>, path: string): Promise<void> => {
  await kernel.dock(defineModule({
    id: "speaker", coordination: true,
    run: async ({ coordination }) => {
      for (let at = 0; !framesIn(path).some(({ type }) => type === "ledger_progress_posted"); at++) await coordination.progress("", `note ${at}`)
    }
  }))
  while (!framesIn(path).some(({ type }) => type === "ledger_progress_posted")) await new Promise(setImmediate)
}

describe("a relay from a config", () => {
  it("[131] writes the file that TOML names, beside the config, and hands it back with the kernel", async () => {
    const kernel = await start("aaax.toml", toml('{ path = "out/relay.ndjson", linesMax = 100, hub = "here" }'))
    const path = join(folder, "out", "relay.ndjson")
    await speak(kernel, path)
    expect(kernel.systems().map(({ id }) => id)).toContain("mirror")
    await kernel.close()
    expect(framesIn(path).find(({ type }) => type === "ledger_progress_posted")).toMatchObject({ hub_id: "here", payload: "Progress from speaker" })
  })

  it("[132] writes the short form from JSON, when it is asked for", async () => {
    const kernel = await start("aaax.json", JSON.stringify({
      store: ":memory:", modules: [{ id: "coordinator", file: "aaax/modules/coordinator" }, { id: "relay", file: "aaax/modules/relay", settings: { path: "relay.ndjson", form: "lite" } }]
    }))
    await speak(kernel, join(folder, "relay.ndjson"))
    await kernel.close()
    expect(readFileSync(join(folder, "relay.ndjson"), "utf8").split("\n")[1]).toMatch(/^\{"v":1,/u)
  })

  it("refuses what it cannot do, and writes nothing", async () => {
    for (const [settings, reason] of [
      ["{}", /say which in its settings, as path/u], ['{ path = "" }', /say which/u], ["{ path = 7 }", /say which/u], ['{ path = "x", maxLines = 5 }', /have maxLines; there are path, linesMax/u],
      ['{ path = "x", linesMax = "many" }', /number of lines/u], ['{ path = "x", form = "short" }', /lossless or lite/u], ['{ path = "x", hub = 7 }', /hub in its settings/u]
    ] as const) await expect(start("aaax.toml", toml(settings)), settings).rejects.toMatchObject({ _tag: "ModuleRejected", message: expect.stringMatching(reason) })
    await expect(start("aaax.toml", `${toml('{ path = "x" }')}tier = "worker"\n`)).rejects.toMatchObject({ message: expect.stringMatching(/cannot run in tier 'worker'/u) })
    expect(existsSync(join(folder, "x"))).toBe(false)
  })

  it("takes a sink of one's own", async () => {
    const lines: Array<string> = []
    let tellClosed: () => void = () => undefined
    const closed = new Promise<void>((resolve) => (tellClosed = resolve))
    const kernel = await launch({
      store: ":memory:", directory: folder,
      modules: [
        { id: "coordinator", file: "aaax/modules/coordinator" },
        { id: "relay", file: "aaax/modules/relay", settings: { sink: { append: async (added: ReadonlyArray<string>) => void lines.push(...added), close: async () => tellClosed() } } }
      ]
    })
    await kernel.dock(defineModule({
      id: "speaker", coordination: true,
      run: async ({ coordination }) => {
        while (lines.length === 0) await coordination.progress("", "here")
      }
    }))
    while (lines.length === 0) await new Promise(setImmediate)
    await kernel.close()
    await closed
  })
})
