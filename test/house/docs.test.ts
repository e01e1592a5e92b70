// The documentation: what it prints is in the files that it names, and what it mentions is there.
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Result from "effect/Result"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { codes } from "../../bin/exit-code.ts"
import { commands } from "../../bin/program.ts"
import { type ConfigInput, decodeConfig, type KernelConfig, type ModuleConfig } from "../../kernel/config.ts"
import { policyFromTable } from "../../kernel/guard/policy.ts"
import * as kernelEntry from "../../kernel/index.ts"
import * as refEntry from "../../kernel/ref/index.ts"
import * as securityEntry from "../../kernel/security.ts"
import * as storeEntry from "../../kernel/store/local.ts"
import * as clientEntry from "../../libos/client.ts"
import * as libos from "../../libos/index.ts"
import { canTake, channelOf, ChannelSpec, Form } from "../../protocol/channel.ts"
import { Manifest } from "../../protocol/manifest.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

const below = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? below(join(folder, entry.name)) : entry.name.endsWith(".md") ? [join(folder, entry.name)] : [])

const textOf = (file: string): string => readFileSync(join(root, file), "utf8")
const pages = ["README.md", "CHANGELOG.md", ...below("docs")].map((file) => ({ file, text: textOf(file) }))

interface Block {
  readonly file: string
  readonly info: string
  readonly body: string
}
const fence = /^```([^\n]*)\n([\s\S]*?)^```$/gmu
const blocks: ReadonlyArray<Block> = pages.flatMap(({ file, text }) =>
  [...text.matchAll(fence)].map(([, info = "", body = ""]) => ({ file, info: info.trim(), body })))
/** Prose without blocks; of it, the spans that are set as code. */
const proseOf = (text: string): string => text.replace(fence, "")
const spansOf = (text: string): ReadonlyArray<string> => [...proseOf(text).matchAll(/`([^`\n]+)`/gu)].map(([, span = ""]) => span)

/** `// examples/first-module.ts`, with ` (cut)` when it is not all of it. */
const naming = /^(?:\/\/|#) ([\w.-]+(?:\/[\w.-]+)*\.[a-z]+)( \(cut\))?\n/u

describe("a code block", () => {
  const named = blocks.flatMap((block) => {
    const [line, path, cut] = naming.exec(block.body) ?? []
    return line === undefined || path === undefined ? [] : [{ ...block, path, isCut: cut !== undefined, code: block.body.slice(line.length) }]
  })

  it("that names a file is that file, or a cut of it", () => {
    const wrong = named.filter(({ code, isCut, path }) => {
      if (!existsSync(join(root, path))) return true
      return isCut ? !textOf(path).includes(code) || code.trim() === "" : textOf(path) !== code
    })
    expect(wrong.map(({ file, path }) => `${file}: ${path}`)).toEqual([])
    expect(named.length).toBeGreaterThanOrEqual(6)
  })

  it("that is a config is taken as one", async () => {
    const configs = blocks.filter(({ info }) => /^(?:toml|json) config$/u.test(info))
    expect(configs.length).toBeGreaterThanOrEqual(2)
    for (const { body, file, info } of configs) {
      const raw: unknown = info.startsWith("json") ? JSON.parse(body) : Result.getOrThrow(Toml.parse(body))
      await Effect.runPromise(decodeConfig(raw, file))
    }
  })

  it("that is a rule table is taken as one", () => {
    const tables = blocks.filter(({ info }) => info === "toml policy")
    expect(tables.length).toBeGreaterThanOrEqual(1)
    for (const { body, file } of tables) Result.getOrThrow(policyFromTable(Result.getOrThrow(Toml.parse(body)), file))
  })
})

describe("a link", () => {
  const slugOf = (heading: string): string => heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/gu, "-")
  const anchorsOf = (file: string): ReadonlyArray<string> => [...proseOf(textOf(file)).matchAll(/^#+ (.+)$/gmu)].map(([, heading = ""]) => slugOf(heading))
  const links = pages.flatMap(({ file, text }) => [...proseOf(text).matchAll(/\]\(([^)\s]+)\)/gu)].map(([, target = ""]) => ({ file, target })))

  it("leads to a file that is there, and to a heading of it", () => {
    const broken = links.filter(({ file, target }) => {
      const [path = "", anchor] = target.split("#")
      const to = path === "" ? file : normalize(join(dirname(file), path))
      if (to.startsWith("..") || !existsSync(join(root, to))) return true
      return anchor !== undefined && !(statSync(join(root, to)).isFile() && anchorsOf(to).includes(anchor))
    })
    expect(broken).toEqual([])
  })

  it("leads to every page", () => {
    const reached = new Set(links.map(({ file, target }) => normalize(join(dirname(file), target.split("#")[0] ?? ""))))
    expect(pages.map(({ file }) => file).filter((file) => file !== "README.md" && !reached.has(file))).toEqual([])
  })
})

describe("a command", () => {
  interface Tree {
    readonly [name: string]: Tree
  }
  interface Command {
    readonly name: string
    readonly subcommands: ReadonlyArray<{ readonly commands: ReadonlyArray<Command> }>
  }
  const treeOf = (list: ReadonlyArray<Command>): Tree =>
    Object.fromEntries(list.map(({ name, subcommands }) => [name, treeOf(subcommands.flatMap((group) => group.commands))]))
  const tree = treeOf(commands)

  /** What follows `aaax`, in code and on prompts. */
  const calls = pages.flatMap(({ file, text }) =>
    [...spansOf(text), ...blocks.filter((block) => block.file === file).flatMap(({ body }) => body.split("\n"))].flatMap((line) =>
      [...line.matchAll(/(?<![\w./"-])aaax ((?:[a-z][a-z-]*(?:\|[a-z]+)*)(?:\s+[^`|;&]*)?)/gu)].map(([, call = ""]) => ({ file, call }))))

  it("that is mentioned is there", () => {
    const unknown = calls.filter(({ call }) => {
      const [first = "", second = ""] = call.split(/\s+/u)
      return first.split("|").some((name) => {
        const inside = tree[name]
        if (inside === undefined) return true
        const names = /^[a-z]+(?:\|[a-z]+)*$/u.test(second) ? second.split("|") : []
        return Object.keys(inside).length > 0 && names.some((inner) => inside[inner] === undefined)
      })
    })
    expect(unknown).toEqual([])
    expect(calls.length).toBeGreaterThan(50)
  })

  it("is described for operators, each of them", () => {
    const page = textOf("docs/operate.md")
    const paths = Object.entries(tree).flatMap(([name, inside]) =>
      Object.keys(inside).length === 0 ? [name] : Object.keys(inside).map((inner) => `${name} ${inner}`))
    expect(paths.filter((path) => !new RegExp(`\`aaax ${path}[\` ]`, "u").test(page))).toEqual([])
  })

  it("has the flags that it is shown with", () => {
    const isTree = (name: string): boolean => name === "program.ts" || name === "flag.ts" || name.endsWith("commands.ts")
    const source = (readdirSync(join(root, "bin"), { recursive: true, encoding: "utf8" })).filter(isTree).map((name) => textOf(join("bin", name))).join("\n")
    const flags = new Set([
      ...[...source.matchAll(/(?:text|count|yes|list|Flag\.[A-Z]\w+)\("([a-z-]+)"/gu)].map(([, flag = ""]) => flag), "help", "version", "completions", "log-level"
    ])
    const unknown = calls.flatMap(({ call, file }) =>
      [...call.replace(/'[^']*'/gu, "").matchAll(/(?<=\s)--([a-z][a-z-]*)/gu)].flatMap(([, flag = ""]) => (flags.has(flag) ? [] : [`${file}: ${call}`])))
    expect(unknown).toEqual([])
  })

  it("ends with one of the exit codes that are listed", () => {
    const listed = [...textOf("docs/operate.md").matchAll(/^\| (\d+) \|/gmu)].map(([, code]) => Number(code))
    expect(listed).toEqual(Object.values(codes))
  })
})

describe("the page of the config", () => {
  // Complete, or it does not compile: a key that is added to the schema has to be added here, and to the page.
  const keys = <T>(of: Record<keyof Required<T>, true>): ReadonlyArray<string> => Object.keys(of)
  const top = keys<ConfigInput>({
    id: true, name: true, store: true, policy: true, libos: true, network: true, security: true, modules: true, executors: true, doors: true, channels: true,
    schemas: true, survey: true, approvals: true, budgets: true, audit: true, retention: true, isolation: true, secrets: true
  })
  type Executors = KernelConfig["executors"]
  const nested: Readonly<Record<string, ReadonlyArray<string>>> = {
    store: keys<{ backend: string; path: string }>({ backend: true, path: true }),
    libos: keys<KernelConfig["libos"]>({ name: true, strictBoot: true, discoverSharedPackages: true }),
    network: keys<KernelConfig["network"]>({
      publish: true, host: true, port: true, hosts: true, origins: true, tls: true, behindProxy: true, security: true, endpoints: true, synapse: true, otlp: true
    }),
    isolation: keys<KernelConfig["isolation"]>({ allowWeakIsolation: true, publishers: true }),
    survey: keys<KernelConfig["survey"]>({ workers: true }),
    approvals: keys<KernelConfig["approvals"]>({ expiryMillis: true, ttl: true, quorum: true, code: true, passphrase: true }),
    audit: keys<KernelConfig["audit"]>({ checkpoints: true, every: true, seconds: true, witness: true }),
    retention: keys<KernelConfig["retention"]>({ requests: true })
  }
  const inTables = [
    ...keys<ModuleConfig>({
      id: true, framework: true, file: true, system: true, lllmToml: true, channels: true, executors: true, remoteChannels: true, manifest: true,
      settings: true, privileged: true, tier: true, digest: true, command: true, limits: true
    }),
    ...keys<Executors>({ "fs.read": true, "fs.write": true, "process.run": true, "http.fetch": true, git: true, "llm.chat": true, own: true }),
    ...keys<NonNullable<Executors["fs.read"]>>({ roots: true, bytesMax: true }),
    ...keys<NonNullable<Executors["http.fetch"]>>({
      allow: true, allowPrivate: true, timeoutMillis: true, answerBytesMax: true, redirectsMax: true, ca: true
    }),
    ...keys<NonNullable<Executors["git"]>>({ repositories: true, committer: true }),
    ...keys<NonNullable<Executors["fs.write"]>>({ roots: true }),
    ...keys<NonNullable<Executors["process.run"]>>({ programs: true, timeoutMillis: true, outputBytesMax: true }),
    ...Object.keys(ChannelSpec.fields),
    ...Object.keys(Manifest.fields)
  ]

  it("names every key", () => {
    const page = textOf("docs/configure.md")
    const wanted = [...top, ...inTables, ...Object.entries(nested).flatMap(([key, inner]) => inner.map((name) => `${key}.${name}`))]
    expect(wanted.filter((key) => !page.includes(`\`${key}\``))).toEqual([])
  })
})

describe("the page of channel kinds", () => {
  const rowsBelow = (heading: string): ReadonlyArray<ReadonlyArray<string>> => {
    const [, below = ""] = textOf("docs/kinds/README.md").split(`## ${heading}\n`)
    return (below.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split("|").slice(1, -1).map((text) => text.trim()))
  }

  it("says of each of the thirteen forms what the kernel makes of it", () => {
    const told = rowsBelow("The thirteen forms").map(([form = "", , delivery = "", indexed = "", taken = ""]) => ({
      form: form.replaceAll("`", ""), delivery, indexes: indexed === "" ? [] : indexed.replaceAll("`", "").split(", "), exclusiveReads: taken === "yes"
    }))
    expect(told).toEqual(Form.literals.map((form) => {
      const { delivery, exclusiveReads, indexes } = channelOf({ name: "x", form }, "somebody")
      return { form, delivery, indexes, exclusiveReads }
    }))
    expect(told).toHaveLength(13)
  })

  it("says of each kind how it is read, as its class says it", () => {
    const page = textOf("docs/kinds/README.md")
    const kinds = {
      passthrough: new libos.PassthroughChannel({ id: "x" }), broadcast: new libos.BroadcastChannel({ id: "x" }), "work-queue": new libos.WorkQueueChannel({ id: "x" }),
      mailbox: new libos.MailboxChannel({ id: "x" }), discovery: new libos.DiscoveryChannel({ id: "x" })
    }
    for (const [kind, { spec }] of Object.entries(kinds)) {
      const row = page.split("\n").find((line) => line.includes(`](${kind}.md) |`)) ?? ""
      const [shared = "", claim = ""] = row.split("|").slice(3, 5).map((text) => text.trim())
      const channel = channelOf({ ...spec, schema: null }, "somebody")
      expect([kind, shared !== "refused", claim !== "refused"]).toEqual([kind, channel.delivery !== "exclusive", canTake(channel)])
    }
  })
})

describe("the page of migration", () => {
  it("names what there is: exports of the entries, and methods of what they export", () => {
    const classes = [libos.BaseSystem, libos.BaseChannel, libos.DiscoveryChannel, storeEntry.LocalStore]
    const known = new Set([
      ...[libos, kernelEntry, securityEntry, refEntry, clientEntry, storeEntry].flatMap((entry) => Object.keys(entry)),
      ...Object.keys(new libos.BaseSystem({ id: "x" })),
      ...classes.flatMap(({ prototype }) => [prototype, Object.getPrototypeOf(prototype) as object].flatMap((level) => Object.getOwnPropertyNames(level)))
    ])
    // Types leave nothing behind when they run.
    const types = ["protocol/message.ts", "protocol/channel.ts", "protocol/portable.ts", "libos/kind/registration.ts"].map(textOf).join("\n")
    const cells = textOf("docs/migrate.md").split("## Commands")[0]?.split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split(" | ")) ?? []
    const names = cells.flatMap(([there = "", here = ""]) =>
      [...(here.includes("the same") ? `${there} ${here}` : here).matchAll(/`([A-Za-z]\w*)(?:\([^`]*\))?`/gu)].map(([, name = ""]) => name)).filter((name) => name !== "aaax")
    expect(names.filter((name) => !known.has(name) && !new RegExp(`export (?:const|interface|type) ${name}\\b`, "u").test(types))).toEqual([])
    expect(names.length).toBeGreaterThan(60)
  })
})

describe("the documentation", () => {
  it("names no machine's paths and no hosts", () => {
    const forbidden = [new RegExp(`/(?:${["wor" + "k", "tm" + "p", "roo" + "t"].join("|")})/`, "u"), /https?:\/\/(?!127\.0\.0\.1|(?:[\w-]+\.)*example\.com\b)/u, /scratch/iu, /\bregistry\.\w/u]
    const found = pages.flatMap(({ file, text }) => forbidden.flatMap((words) => (words.test(text) ? [`${file}: ${words.source}`] : [])))
    expect(found).toEqual([])
  })

  it("begins with the two commands that set it up", () => {
    const [, , sentence, , ...rest] = textOf("README.md").split("\n")
    expect(sentence?.endsWith(".")).toBe(true)
    expect(rest.slice(0, 4).join("\n")).toMatch(/^```sh\nnpm install && npm start .*\nnpm install && npm test .*\n```$/u)
  })

  it("has its decisions numbered without a gap, all in one list", () => {
    const files = readdirSync(join(root, "docs/decisions")).filter((name) => /^\d/u.test(name)).sort()
    const index = textOf("docs/decisions/README.md")
    expect(files.map((name) => Number(name.slice(0, 4)))).toEqual(files.map((_, at) => at + 1))
    expect(files.filter((name) => !index.includes(`(${name})`))).toEqual([])
    for (const name of files) {
      const text = textOf(relative(root, join(root, "docs/decisions", name)))
      for (const part of ["Context", "Choice", "Cost", "When to revisit"]) expect(text, name).toContain(`**${part}.**`)
    }
  })
})
