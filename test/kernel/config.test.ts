// What a config may say, how it may be spelled, and how mistakes are reported.
import { Effect, Exit, Cause } from "effect"
import { describe, expect, it } from "vitest"
import { decodeConfig, moduleOf, type KernelConfig, type ModuleConfig } from "../../kernel/config.ts"
import type { ConfigInvalid } from "../../protocol/errors.ts"
import { emptyManifest } from "../../protocol/manifest.ts"

const load = (raw: unknown): KernelConfig => Effect.runSync(decodeConfig(raw, "aaax.config.json"))
const mistakes = (raw: unknown): ConfigInvalid["issues"] => {
  const exit = Effect.runSyncExit(decodeConfig(raw, "aaax.config.json"))
  if (Exit.isSuccess(exit)) throw new Error("it was accepted")
  return (Cause.squash(exit.cause) as ConfigInvalid).issues // decodeConfig fails with nothing else
}
const entryOf = (config: KernelConfig, index: number): ModuleConfig => {
  const entry = config.modules[index]
  if (entry === undefined) throw new Error("not an entry")
  return entry
}

describe("a config", () => {
  it("is complete when it says nothing", () => {
    const config = load({})
    expect(config).toMatchObject({
      id: "aaax-main", name: "AAAX Kernel", store: { backend: "sqlite", path: ".aaax/kernel.db" },
      network: { publish: false, host: "127.0.0.1", hosts: [], origins: [], behindProxy: false }, modules: [], channels: []
    })
    expect(config.policy).toBeUndefined()
  })

  it("loads the ancestor's table unchanged", () => {
    const config = load({
      aaax: {
        id: "aaax-cli-test", name: "Test", policy: "default",
        libos: { name: "lllm", strict_boot: true, discover_shared_packages: false },
        network: { publish: true, host: "0.0.0.0", port: 9000 },
        modules: [{
          id: "example-agent", framework: "custom", lllm_toml: "lllm.toml", channels: ["aaax.heartbeat"],
          executors: ["executor:web"], remote_channels: ["psi://x/y"],
          manifest: { module_id: "example-agent", requires_channels: [], risk_profile: "low" }
        }]
      }
    })
    expect(config.network).toMatchObject({ publish: true, host: "0.0.0.0", port: 9000 })
    expect(config.libos.strictBoot).toBe(true)
    expect(entryOf(config, 0)).toMatchObject({ lllmToml: "lllm.toml", remoteChannels: ["psi://x/y"] })
  })

  it("means the same in camelCase and in snake_case", () => {
    const camel = load({ approvals: { expiryMillis: 5 }, modules: [{ id: "a", framework: "placeholder", remoteChannels: ["x"] }] })
    const snake = load({ approvals: { expiry_millis: 5 }, modules: [{ id: "a", framework: "placeholder", remote_channels: ["x"] }] })
    expect(snake).toEqual(camel)
  })

  it("leaves the keys of settings and metadata as they are", () => {
    const config = load({ modules: [{ id: "a", file: "a.ts", settings: { some_key: { inner_key: 1 } } }] })
    expect(entryOf(config, 0).settings).toEqual({ some_key: { inner_key: 1 } })
  })

  it("takes a path or :memory: as the store", () => {
    expect(load({ store: "x.db" }).store).toEqual({ backend: "sqlite", path: "x.db" })
    expect(load({ store: ":memory:" }).store).toEqual({ backend: "memory" })
    expect(load({ store: { path: "y.db" } }).store).toEqual({ backend: "sqlite", path: "y.db" })
  })

  it("holds systems, rules, executors and doors as objects", () => {
    const system = { manifest: emptyManifest("mine"), run: () => Effect.void }
    const rule = { name: "r", description: "", decide: () => undefined }
    const executor = { name: "e", description: "", perform: () => Effect.void }
    const door = { name: "d", open: () => Effect.succeed({ url: "x" }) }
    const config = load({ modules: [system], policy: [rule], executors: [executor], doors: [door] })
    expect(config.modules[0]?.system).toBe(system)
    expect(config.modules[0]?.id).toBe("mine")
    expect(config.policy).toEqual([rule])
    expect(config.executors.own).toEqual([executor])
    expect(config.doors).toEqual([door])
  })
})

describe("a system in a config", () => {
  it("may stand beside its wiring, and brings its id along", () => {
    const system = { manifest: emptyManifest("mine") }
    const config = load({ modules: [{ system, channels: ["repo.files"], privileged: true }] })
    const module = moduleOf(entryOf(config, 0))
    expect(module).toMatchObject({ channels: ["repo.files"], privileged: true, manifest: { id: "mine", framework: "esm", privileged: true } })
    expect(module.system).toBe(system)
  })
})

describe("a mistake in a config", () => {
  it("is reported with key path and nearest key, all of them at once", () => {
    const issues = mistakes({ stor: "x", network: { prot: 1 }, modules: [{ id: "a", fil: "x" }, {}], survey: { workers: 0 } })
    expect(issues).toContainEqual({ file: "aaax.config.json", path: "stor", reason: "'stor' is not a key that is known here.", nearest: "store" })
    expect(issues).toContainEqual(expect.objectContaining({ path: "network.prot", nearest: "port" }))
    expect(issues).toContainEqual(expect.objectContaining({ path: "modules[0].fil", nearest: "file" }))
    expect(issues).toContainEqual(expect.objectContaining({ path: "modules[1].id", reason: "is missing." }))
    expect(issues).toContainEqual(expect.objectContaining({ path: "survey.workers" }))
    expect(issues).toHaveLength(5)
  })

  it("is one mistake when a key is only misspelt", () => {
    for (const [config, path, nearest] of [
      [{ store: { pth: "x.db" } }, "store.pth", "path"],
      [{ executors: { "fs.write": { rots: ["out"] } } }, "executors.fs.write.rots", "roots"],
      [{ modules: [{ idd: "a" }] }, "modules[0].idd", "id"]
    ] as const) expect(mistakes(config)).toMatchObject([{ path, nearest }])
    expect(mistakes({ modules: [{ fil: "a.ts" }] })).toMatchObject([{ path: "modules[0].fil", nearest: "file" }, { path: "modules[0].id", reason: "is missing." }])
  })

  it("names what was expected, and the nearest word", () => {
    expect(mistakes({ store: { backend: "sqllite" } })).toEqual([
      { file: "aaax.config.json", path: "store.backend", reason: "expected \"sqlite\" | \"memory\".", nearest: "sqlite" }
    ])
  })

  it("is spelled as its author spelled it", () => {
    expect(mistakes({ approvals: { expiry_millis: "soon" } })[0]?.path).toBe("approvals.expiry_millis")
  })

  it("is a key that is given in both spellings", () => {
    expect(mistakes({ approvals: { expiryMillis: 1, expiry_millis: 2 } })[0]?.path).toBe("approvals.expiry_millis")
  })

  it("is a module id that appears twice", () => {
    expect(mistakes({ modules: [{ id: "a", file: "a.ts" }, { id: "a", file: "b.ts" }] })).toEqual([
      { file: "aaax.config.json", path: "modules[1].id", reason: "'a' is there already, at modules[0]." }
    ])
  })

  it("is a table of ours beside the ancestor's, while tables of others may stand there", () => {
    expect(mistakes({ aaax: { id: "a" }, modules: [], tool: {} })).toEqual([
      { file: "aaax.config.json", path: "modules", reason: "it belongs under aaax: aaax.modules." }
    ])
    expect(load({ aaax: { id: "a" }, tool: {} }).id).toBe("a")
  })

  it("is something that is not a table", () => {
    expect(mistakes([])[0]?.reason).toBe("expected a table of keys.")
    expect(mistakes(undefined)[0]?.reason).toBe("expected a table of keys.")
  })
})

describe("a configured module", () => {
  const entry = (raw: unknown): ModuleConfig => entryOf(load({ modules: [raw] }), 0)

  it("is of the ancestor's framework when it has no file", () => {
    expect(moduleOf(entry({ id: "a" })).manifest.framework).toBe("lllm")
    expect(moduleOf(entry({ id: "a", file: "a.ts" }), { system: { manifest: emptyManifest("x") } }).manifest.framework).toBe("esm")
  })

  it("lets an explicit manifest win over the entry", () => {
    const module = moduleOf(entry({
      id: "a", framework: "placeholder", channels: ["one"], executors: ["e1"],
      manifest: { requires_channels: ["two"], requires_executors: ["e2"], provides_channels: ["mine"] }
    }))
    expect(module.channels).toEqual(["two"])
    expect(module.manifest).toMatchObject({ executors: ["e2"], provides: [{ name: "mine" }], framework: "placeholder" })
  })

  it("keeps what the system's own manifest asks for, under the configured id", () => {
    const system = { manifest: { ...emptyManifest("own"), reads: ["r"], executors: ["fs.write"] } }
    const module = moduleOf(entry({ id: "named", file: "a.ts", executors: ["git"] }), { system, file: "/a.ts", digest: "d" })
    expect(module.manifest).toMatchObject({ id: "named", reads: ["r"], executors: ["fs.write", "git"] })
    expect(module.digest).toBe("d")
  })
})
