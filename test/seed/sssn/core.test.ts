// The layers: what the language and the modules' side load, however far one follows their imports.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("../../../", import.meta.url))

/** Modules that a file loads at once when it is loaded: neither types nor what is imported later. */
const loadsOf = (file: string): ReadonlyArray<string> =>
  [...readFileSync(file, "utf8").matchAll(/^(?:import|export)\s+(?!type\b)(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gmu)].map(([, name = ""]) => name)

/** Everything that is loaded with a file: our own files, and the names of all others. */
const closureOf = (entry: string): { readonly files: ReadonlySet<string>; readonly others: ReadonlySet<string> } => {
  const files = new Set<string>()
  const others = new Set<string>()
  const waiting = [join(root, entry)]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue
    expect(existsSync(file), file).toBe(true)
    files.add(file)
    for (const name of loadsOf(file)) {
      if (name.startsWith(".")) waiting.push(resolve(dirname(file), name))
      else others.add(name)
    }
  }
  return { files: new Set([...files].map((file) => relative(root, file))), others }
}

const sources = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))

describe("[188] the core layer", () => {
  it("[188] imports nothing above it: protocol loads itself and Effect's Schema, and names nothing else even as a type", () => {
    const { files, others } = closureOf("protocol/index.ts")
    expect([...files].filter((file) => !file.startsWith("protocol/"))).toEqual([])
    expect([...others]).toEqual(["effect/Schema"])
    const named = sources("protocol").flatMap((file) => [...readFileSync(file, "utf8").matchAll(/from\s+"([^"]+)"/gu)].map(([, name = ""]) => name))
    expect([...new Set(named.filter((name) => !name.startsWith("./") && !/^\.\.\/(?!kernel|libos|modules|bin)/u.test(name) && !/^effect\/\w+$/u.test(name)))]).toEqual([])
  })

  it.each(["libos/index.ts", "libos/effect.ts", "libos/client.ts"])("[188] is all that %s needs of a machine: no server, no database, nothing of Node", (entry) => {
    const { files, others } = closureOf(entry)
    expect([...files].filter((file) => !/^(?:protocol|libos)\//u.test(file))).toEqual([])
    expect([...others].filter((name) => !name.startsWith("effect/"))).toEqual([])
  })

  it("loads no door and no kernel with the store of a directory", () => {
    const { files, others } = closureOf("kernel/store/local.ts")
    expect([...files].filter((file) => /^(?:kernel\/(?:door|dock|authority|service|channel|guard)|libos|bin)\//u.test(file))).toEqual([])
    expect([...others].filter((name) => !name.startsWith("node:")).sort()).toEqual(["better-sqlite3", "effect/Schema"])
  })
})
