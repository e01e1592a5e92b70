// Reads an lllm package: a folder with `lllm.toml`, prompts as text or Markdown, and configs as YAML. Its Python code is not run:
// a `tactic_type` names a tactic of ours.
//
//   lllm.toml           [package] name, version, description; [prompts], [tactics], [configs], each with `paths`
//   prompts/**          key = path below the folder without its suffix: prompts/system/analyzer.md -> "system/analyzer"
//   configs/*.yaml      tactic_type, base (inherits), global { model_name, model_args }, agent_configs [{ name, system_prompt_path, model_args }]
//
// Nothing outside the folder is read, and nothing that a link leads to. Source: section 6 of the first generation's behaviours.
import { closeSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { basename, dirname, extname, join, resolve } from "node:path"
import * as Result from "effect/Result"
import * as Toml from "effect/encoding/Toml"
import * as Yaml from "effect/encoding/Yaml"
import { packageDepthMax, packageFileBytesMax, packageFilesMax } from "../limits.ts"
import { openConfined } from "./confined-open.ts"

export interface PackageAgent {
  readonly name: string
  readonly system?: string
  readonly model?: string
  readonly temperature?: number
  readonly maxTokens?: number
}

/** What a package says, as settings of the module that docks it. */
export interface LllmPackage {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly tactic: string
  readonly agents: ReadonlyArray<PackageAgent>
  readonly prompts: Readonly<Record<string, string>>
  /** What it says that is not followed here. */
  readonly ignored: ReadonlyArray<string>
  /** Every file that was read, so that the package has a digest. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: Uint8Array }>
}

export interface PackageOptions {
  /** Relative paths of packages start here; with a lax boot it is looked through for prompts and configs, too. */
  readonly directory: string
  /** Only what the package lists. */
  readonly strict: boolean
  /** Also packages of the user: a name in place of a path is looked for in `~/.lllm/packages`. */
  readonly shared: boolean
  /** Which of its configs; default: the one that is called `default`, or the only one. */
  readonly config?: string
}

/** A package that cannot be read, as a sentence. */
export class PackageInvalid extends Error {}

type Fields = Readonly<Record<string, unknown>>
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value)
const fail = (reason: string): never => {
  throw new PackageInvalid(reason)
}
const text = (value: unknown): string => (typeof value === "string" ? value : "")

const suffixes = { prompts: new Set([".md", ".txt", ".markdown"]), configs: new Set([".yaml", ".yml"]) } as const

/** Where `lllm.toml` is, for a path to it, to its folder, or the name of a package of the user's. */
const find = (given: string, { directory, shared }: PackageOptions): string => {
  const places = [resolve(directory, given), ...(shared && /^[\w.-]+$/u.test(given) ? [join(homedir(), ".lllm", "packages", given)] : [])]
  for (const place of places) {
    const stats = statSync(place, { throwIfNoEntry: false })
    if (stats?.isFile() === true) return place
    if (stats?.isDirectory() === true && statSync(join(place, "lllm.toml"), { throwIfNoEntry: false })?.isFile() === true) return join(place, "lllm.toml")
  }
  return fail(`there is no package at ${places.join(" nor at ")}`)
}

interface Collected {
  readonly path: string
  readonly bytes: Uint8Array
}

const makeReading = (root: string) => {
  const files = new Map<string, Collected>()
  const read = (path: string): string => {
    const known = files.get(path)
    if (known !== undefined) return Buffer.from(known.bytes).toString("utf8")
    if (files.size === packageFilesMax) return fail(`it has more than ${packageFilesMax} files`)
    const opened = openConfined(root, path)
    if (typeof opened === "string") return fail(`${path} cannot be read: ${opened}`)
    try {
      if (opened.stats.size > packageFileBytesMax) fail(`${path} has more than ${packageFileBytesMax} bytes`)
      const bytes = readFileSync(opened.fd)
      files.set(path, { path, bytes })
      return bytes.toString("utf8")
    } finally {
      closeSync(opened.fd)
    }
  }
  /** Files with one of the suffixes below a folder of the package, or the file itself, by their path below it without suffix. */
  const below = (path: string, wanted: ReadonlySet<string>): ReadonlyMap<string, string> => {
    const found = new Map<string, string>()
    const folder = path.replace(/\/+$/u, "").replace(/^\.\//u, "")
    const stats = statSync(join(root, folder), { throwIfNoEntry: false })
    if (stats?.isFile() === true) return new Map([[basename(folder, extname(folder)), read(folder)]])
    if (stats === undefined) return found
    const walk = (inner: string, depth: number): void => {
      if (depth > packageDepthMax) fail(`${folder} is deeper than ${packageDepthMax} folders`)
      for (const entry of readdirSync(join(root, folder, inner), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const way = inner === "" ? entry.name : `${inner}/${entry.name}`
        if (entry.isDirectory()) walk(way, depth + 1)
        else if (entry.isFile() && wanted.has(extname(entry.name))) found.set(way.slice(0, -extname(way).length), read(folder === "." ? way : `${folder}/${way}`))
      }
    }
    walk("", 0)
    return found
  }
  return { read, below, files }
}

const pathsOf = (table: Fields, section: string): ReadonlyArray<string> | undefined => {
  const given = table[section]
  if (given === undefined) return undefined
  const paths = isFields(given) ? given["paths"] : undefined
  if (paths === undefined) return undefined
  return Array.isArray(paths) && paths.every((path) => typeof path === "string") ? paths as ReadonlyArray<string> : fail(`[${section}] paths must be a list of paths`) // each was just seen to be one
}

/** Members of objects are brought together, everything else is taken from the later one. */
const merged = (base: Fields, over: Fields): Fields => {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const before = result[key]
    result[key] = isFields(before) && isFields(value) ? merged(before, value) : value
  }
  return result
}

const configOf = (configs: ReadonlyMap<string, string>, name: string, seen: ReadonlyArray<string> = []): Fields => {
  const source = configs.get(name)
  if (source === undefined) return fail(`there is no config ${name}; there are ${[...configs.keys()].join(", ") || "none"}`)
  if (seen.includes(name)) return fail(`the config ${name} inherits itself: ${[...seen, name].join(" -> ")}`)
  let parsed: unknown
  try {
    parsed = Yaml.parse(source)
  } catch (error) {
    return fail(`the config ${name} is no YAML: ${error instanceof Error ? error.message.slice(0, 300) : "it cannot be parsed"}`)
  }
  if (!isFields(parsed)) return fail(`the config ${name} must be a mapping`)
  const { base, ...own } = parsed
  return base === undefined || base === null ? own : merged(configOf(configs, text(base).replace(/\.ya?ml$/u, ""), [...seen, name]), own)
}

const followedArgs: ReadonlySet<string> = new Set(["temperature", "max_tokens", "max_completion_tokens"])

/** Throws `PackageInvalid`. `given`: a path to `lllm.toml` or its folder, or the name of a package of the user's. */
export const readPackage = (given: string, options: PackageOptions): LllmPackage => {
  const file = find(given, options)
  const root = realpathSync(dirname(file))
  const { below, files, read } = makeReading(root)
  const parsed = Toml.parse(read(basename(file)))
  if (Result.isFailure(parsed)) return fail(`${basename(file)} is no TOML: ${parsed.failure.message.slice(0, 300)}`)
  const table: Fields = parsed.success
  const about = isFields(table["package"]) ? table["package"] : {}
  const collect = (section: "prompts" | "configs"): ReadonlyMap<string, string> => {
    const found = new Map<string, string>()
    for (const path of pathsOf(table, section) ?? [section]) for (const [key, value] of below(path, suffixes[section])) found.set(key, value)
    return found
  }
  const prompts = collect("prompts")
  const configs = new Map(collect("configs"))
  if (!options.strict && realpathSync(options.directory) !== root) {
    // What lies beside the config fills in, and never wins over the package.
    const beside = makeReading(realpathSync(options.directory))
    for (const [key, value] of beside.below("configs", suffixes.configs)) if (!configs.has(key)) configs.set(key, value)
    for (const one of beside.files.values()) files.set(`../${one.path}`, one)
  }
  const name = options.config ?? (configs.has("default") ? "default" : configs.size === 1 ? configs.keys().next().value : undefined)
  if (name === undefined && configs.size > 1) fail(`it has several configs, ${[...configs.keys()].join(", ")}: say which as settings.config`)
  const config = name === undefined ? {} : configOf(configs, name)
  const all = isFields(config["global"]) ? config["global"] : {}
  const ignored = new Set<string>()
  const agents = Array.isArray(config["agent_configs"]) ? config["agent_configs"] as ReadonlyArray<unknown> : [] // a list of unknowns
  return {
    name: text(about["name"]) || basename(root),
    version: text(about["version"]),
    description: text(about["description"]),
    tactic: text(config["tactic_type"]) || "chat",
    prompts: Object.fromEntries(prompts),
    agents: agents.map((given, at): PackageAgent => {
      const agent = isFields(given) ? merged(all, given) : fail(`agent_configs[${at}] must be a mapping`)
      const path = text(agent["system_prompt_path"]).replace(/\.(?:md|txt|markdown)$/u, "")
      const system = path === "" ? undefined : prompts.get(path) ?? fail(`agent_configs[${at}]: there is no prompt ${path}; there are ${[...prompts.keys()].slice(0, 20).join(", ") || "none"}`)
      const args = isFields(agent["model_args"]) ? agent["model_args"] : {}
      for (const key of Object.keys(args)) if (!followedArgs.has(key)) ignored.add(`model_args.${key}`)
      const temperature = args["temperature"]
      const maxTokens = args["max_tokens"] ?? args["max_completion_tokens"]
      const model = text(agent["model_name"])
      return {
        name: text(agent["name"]) || `agent-${at + 1}`,
        ...(system === undefined ? {} : { system }),
        ...(model === "" ? {} : { model }),
        ...(typeof temperature === "number" ? { temperature } : {}),
        ...(typeof maxTokens === "number" ? { maxTokens } : {})
      }
    }),
    ignored: [...ignored].sort(),
    files: [...files.values()]
  }
}
