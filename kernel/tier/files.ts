// The files of a module: the one that is named and all that it imports, read once, so that what is digested is what is run.
import { createHash } from "node:crypto"
import { readFileSync, realpathSync, statSync } from "node:fs"
import { createRequire, isBuiltin } from "node:module"
import { dirname, extname, relative, resolve, sep } from "node:path"
import type { LoadedFile } from "../../protocol/stdio.ts"
import { moduleBytesMax, moduleFilesMax } from "../limits.ts"
import { sentence } from "../power/script.ts"

export interface ModuleFile {
  /** Absolute. */
  readonly path: string
  readonly bytes: Buffer
  /** sha-256, lower-case hexadecimal. */
  readonly digest: string
  /** Names as its text says them, and the files that they are. */
  readonly imports: Readonly<Record<string, string>>
}

/** Names that stand for what the child has itself. */
const isOurs = (name: string): boolean => name === "aaax" || name.startsWith("aaax/") || name === "effect" || name.startsWith("effect/")

const scripts = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]
/** Words in quotes behind `from`, `import` or `require`: more than are imported, never fewer of those that are named as text. */
const importPattern = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*(["'])([^"'\n]{1,500})\1/gu

const namesIn = (text: string): ReadonlySet<string> => new Set([...text.matchAll(importPattern)].map(([, , name]) => name!))

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

/** The file that a name stands for beside another one, or nothing: what is no file of the module is told when it is asked for. */
const fileOf = (name: string, from: string): string | undefined => {
  if (isOurs(name) || isBuiltin(name)) return undefined
  if (!name.startsWith(".") && !name.startsWith("/")) {
    try {
      const found = createRequire(from).resolve(name)
      return isFile(found) ? found : undefined
    } catch {
      return undefined
    }
  }
  const path = resolve(dirname(from), name)
  const written = extname(path)
  const candidates = [
    path,
    ...(written === ".js" || written === ".mjs" || written === ".cjs" ? [path.slice(0, -written.length) + written.replace("js", "ts")] : []),
    ...scripts.map((ending) => `${path}${ending}`), ...scripts.map((ending) => resolve(path, `index${ending}`))
  ]
  return candidates.find(isFile)
}

const isBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path)
  return way !== "" && !way.startsWith("..") && !way.startsWith(sep)
}
/** The folder of the installed package that a file belongs to. */
const packageOf = (path: string): string | undefined => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/u.exec(path)?.[0]

/**
 * Reads them, or says why they cannot be. The first is the one that was named. Files are read for whoever imports them, so an
 * import leads nowhere but into the module's own folder, its package, or another installed package; `project` is the folder of
 * those that are the project's own.
 */
export const moduleFilesOf = (file: string, project?: string): ReadonlyArray<ModuleFile> => {
  const home = realpathSync(dirname(file))
  const own = project === undefined ? undefined : realpathSync(project)
  const mayLead = (from: string, to: string): boolean => {
    const [a, b] = [realpathSync(from), realpathSync(to)]
    if (!scripts.includes(extname(b))) return false
    const inPackage = packageOf(a)
    if (inPackage !== undefined && isBelow(inPackage, b)) return true
    if (packageOf(b) !== undefined) return true
    if (inPackage !== undefined) return false
    return isBelow(home, b) || (own !== undefined && isBelow(own, a) && isBelow(own, b))
  }
  const found = new Map<string, ModuleFile>()
  let bytesTogether = 0
  const queue = [file]
  for (let at = 0; at < queue.length; at++) {
    const path = queue[at]! // within the list
    if (found.has(path)) continue
    if (found.size >= moduleFilesMax) throw new Error(`it has more than ${moduleFilesMax} files`)
    const bytes = readFileSync(path)
    bytesTogether += bytes.byteLength
    if (bytesTogether > moduleBytesMax) throw new Error(`its files have more than ${moduleBytesMax} bytes`)
    const imports: Record<string, string> = {}
    if (extname(path) !== ".json") {
      for (const name of namesIn(bytes.toString("utf8"))) {
        const next = fileOf(name, path)
        if (next === undefined || !mayLead(path, next)) continue
        imports[name] = next
        queue.push(next)
      }
    }
    found.set(path, { path, bytes, digest: createHash("sha256").update(bytes).digest("hex"), imports })
  }
  return [...found.values()]
}

/** Paths as they are told apart and signed: relative to the folder of the first, with `/`. */
export const pathFrom = (folder: string, path: string): string => relative(folder, path).split(sep).join("/")

/** One digest for all of them. A module of one file has the digest of that file. */
export const digestOf = (files: ReadonlyArray<ModuleFile>): string => {
  const [first] = files
  if (first === undefined) return ""
  if (files.length === 1) return first.digest
  const folder = dirname(first.path)
  const list = files.map(({ digest, path }) => `${digest}  ${pathFrom(folder, path)}\n`)
  return createHash("sha256").update(list[0]! + list.slice(1).sort().join("")).digest("hex")
}

/** As the child runs them. */
export const javaScriptOf = async (files: ReadonlyArray<ModuleFile>): Promise<Readonly<Record<string, LoadedFile>>> => {
  const { createJiti } = await import("jiti")
  const [first] = files
  const jiti = createJiti(first?.path ?? "/", { fsCache: false, moduleCache: false, interopDefault: false })
  return Object.fromEntries(files.map(({ bytes, imports, path }) => {
    const source = bytes.toString("utf8")
    if (extname(path) === ".json") return [path, { code: source, imports }]
    try {
      return [path, { code: jiti.transform({ source, filename: path, ts: /\.[mc]?ts$/u.test(path), async: true }), imports }]
    } catch (error) {
      throw new Error(`${path} cannot be read as JavaScript: ${sentence(error)}`)
    }
  }))
}

/** Whether a path is a file of the project: in its folder wherever links lead, and not among its installed packages. */
export const isInside = (project: string, path: string): boolean => {
  try {
    const way = relative(realpathSync(project), realpathSync(path))
    return way !== "" && !way.startsWith("..") && !way.split(sep).includes("node_modules")
  } catch {
    return false
  }
}
