// The config: one schema for TOML, JSON and TypeScript, in camelCase or snake_case, with every mistake reported at once.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Rule } from "../protocol/authority.ts"
import { BudgetSpec } from "../protocol/budget.ts"
import { ChannelSpec, Form, RetentionSpec } from "../protocol/channel.ts"
import { ConfigInvalid, type ConfigIssue } from "../protocol/errors.ts"
import type { Executor } from "../protocol/executor.ts"
import { globLengthMax } from "../protocol/glob.ts"
import { millisOf } from "../protocol/duration.ts"
import { isPassphraseHash } from "./guard/passphrase.ts"
import { frameworks, type Manifest, PowerRequest, type System } from "../protocol/manifest.ts"
import { nearest, SystemId } from "../protocol/names.ts"
import type { ChannelSecurity } from "../protocol/security.ts"
import { tiers, type Isolation } from "../protocol/tier.ts"
import type { Door } from "./door/door.ts"
import type { Endpoint } from "./door/endpoint.ts"
import { knownKeys, ownTable, SecretTable } from "./executor/table.ts"
import { isStandardSchema } from "./guard/schemas.ts"
import { approvalMillisDefault, budgetsMax, checkpointEntriesDefault, checkpointMillisDefault, requestRetention, synapseClientsDefault, synapseClientsMax, systemsMax } from "./limits.ts"
import type { Store } from "./store/store.ts"

const withDefault = <S extends Schema.Top>(schema: S, make: () => S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.sync(make)))

const Text = Schema.String
const Texts = Schema.Array(Schema.NonEmptyString)
const Positive = Schema.Int.check(Schema.isGreaterThan(0))
const Quorum = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 16 }))
const Settings = Schema.Record(Schema.String, Schema.Unknown)

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null

/** A system as an object: a manifest and perhaps code. A config entry says its `id` itself, a system in its manifest. */
export const isSystem = (value: unknown): value is System =>
  isObject(value) && isObject(value["manifest"]) && typeof value["manifest"]["id"] === "string" &&
  Array.isArray(value["manifest"]["provides"]) && (typeof value["run"] === "function" || !Object.hasOwn(value, "id"))
const isRule = (value: unknown): value is Rule =>
  isObject(value) && typeof value["name"] === "string" && typeof value["decide"] === "function"
const isExecutor = (value: unknown): value is Executor =>
  isObject(value) && typeof value["name"] === "string" && typeof value["perform"] === "function"
const isDoor = (value: unknown): value is Door =>
  isObject(value) && typeof value["name"] === "string" && typeof value["open"] === "function"

const isSecurity = (value: unknown): value is ChannelSecurity =>
  isObject(value) && typeof value["name"] === "string" && typeof value["allows"] === "function"

const isEndpoint = (value: unknown): value is Endpoint =>
  isObject(value) && typeof value["path"] === "string" && typeof value["handler"] === "function"

const isStoreLayer = (value: unknown): value is Layer.Layer<Store, unknown> => Layer.isLayer(value)
const SystemObject = Schema.declare(isSystem, { expected: "a system" })
const RuleObject = Schema.declare(isRule, { expected: "a rule" })
const ExecutorObject = Schema.declare(isExecutor, { expected: "an executor" })
const DoorObject = Schema.declare(isDoor, { expected: "a door" })
const EndpointObject = Schema.declare(isEndpoint, { expected: "an endpoint" })
const SecurityObject = Schema.declare(isSecurity, { expected: "a channel security" })

const SchemaObject = Schema.declare(isStandardSchema, { expected: "a schema" })

const StoreData = Schema.Struct({
  backend: withDefault(Schema.Literals(["sqlite", "memory"]), () => "sqlite" as const),
  /** For sqlite; relative to the directory of the constellation. */
  path: withDefault(Schema.NonEmptyString, () => ".aaax/kernel.db")
})

const WitnessData = Schema.Union([Schema.NonEmptyString, Schema.Struct({ command: Schema.NonEmptyArray(Schema.NonEmptyString) })])

const Command = Schema.Array(Schema.NonEmptyString.check(Schema.isMaxLength(4_096))).check(Schema.isMinLength(1), Schema.isMaxLength(100))

/** A manifest with the ancestor's words beside ours; `moduleOf` brings them together. */
const ManifestData = Schema.Struct({
  module_id: Schema.optionalKey(SystemId),
  lllm_toml: Schema.optionalKey(Schema.NullOr(Text)),
  requires_channels: Schema.optionalKey(Texts),
  requires_executors: Schema.optionalKey(Texts),
  requires_remote_channels: Schema.optionalKey(Texts),
  provides_channels: Schema.optionalKey(Schema.Array(Schema.Union([Schema.NonEmptyString, ChannelSpec]))),
  risk_profile: Schema.optionalKey(Text),
  command: Schema.optionalKey(Command),
  tier: Schema.optionalKey(Schema.Literals(tiers)),
  framework: Schema.optionalKey(Text),
  id: Schema.optionalKey(SystemId),
  description: Schema.optionalKey(Text),
  reads: Schema.optionalKey(Texts),
  writes: Schema.optionalKey(Texts),
  takes: Schema.optionalKey(Texts),
  provides: Schema.optionalKey(Schema.Array(ChannelSpec)),
  snapshots: Schema.optionalKey(Texts),
  executors: Schema.optionalKey(Texts),
  remoteChannels: Schema.optionalKey(Texts),
  powers: Schema.optionalKey(Schema.Array(PowerRequest)),
  privileged: Schema.optionalKey(Schema.Boolean),
  riskProfile: Schema.optionalKey(Text)
})

const ModuleEntry = Schema.Struct({
  id: SystemId,
  /** Absent: `esm` for one with a file, else the ancestor's default `lllm`. */
  framework: Schema.optionalKey(Schema.NonEmptyString),
  /** Path from the config's folder, or a bundled one such as `aaax/modules/echo`. */
  file: Schema.optionalKey(Schema.NonEmptyString),
  /** The system itself, from a TypeScript config. */
  system: Schema.optionalKey(SystemObject),
  lllmToml: Schema.optionalKey(Schema.NonEmptyString),
  /** Channels of others that it is wired to. */
  channels: withDefault(Texts, () => []),
  executors: withDefault(Texts, () => []),
  remoteChannels: withDefault(Texts, () => []),
  manifest: Schema.optionalKey(ManifestData),
  settings: withDefault(Settings, () => ({})),
  privileged: withDefault(Schema.Boolean, () => false),
  /** Where its code runs; absent: in this process for the project's own files, else in the strongest tier that there is. */
  tier: Schema.optionalKey(Schema.Literals(tiers)),
  /** sha-256 of its files: another one is refused. */
  digest: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u))),
  /** For framework `process`: a program and its arguments. Those that name files are found from the config's folder. */
  command: Schema.optionalKey(Command),
  /** For tiers other than `in-process`. */
  limits: Schema.optionalKey(Schema.Struct({
    memoryBytes: Schema.optionalKey(Positive),
    processorSeconds: Schema.optionalKey(Positive),
    /** In which it must say what it is. */
    bootMillis: Schema.optionalKey(Positive),
    /** How long its loop may not answer. */
    silenceMillis: Schema.optionalKey(Positive),
    /** How long it may hold items that it took without doing anything. */
    stallMillis: Schema.optionalKey(Positive)
  }))
})
/** A module as config names it. */
export interface ModuleConfig extends Schema.Schema.Type<typeof ModuleEntry> {}

const ExecutorTable = Schema.Struct({
  ...ownTable,
  /** Executors of one's own, from a TypeScript config. */
  own: withDefault(Schema.Array(ExecutorObject), () => [])
})

const Access = Schema.Struct({
  read: withDefault(Texts, () => []),
  write: withDefault(Texts, () => []),
  admin: withDefault(Texts, () => [])
})

const JWTData = Schema.Struct({
  issuer: Schema.NonEmptyString,
  audience: Schema.NonEmptyString,
  /** Default: EdDSA alone. */
  algorithms: Schema.optionalKey(Schema.Array(Schema.Literals(["EdDSA", "ES256", "HS256"]))),
  /** Where the set of public keys is kept. */
  jwks: Schema.optionalKey(Schema.NonEmptyString),
  /** For HS256: the variable of the environment that holds the secret. */
  secretEnv: Schema.optionalKey(Schema.NonEmptyString)
})

/** Who may do what on PUBLIC channels that have no security of their own. Absent: tokens of this kernel alone. */
const SecurityData = Schema.Union([
  Schema.Literal("open"), SecurityObject, Schema.Struct({ acl: Access }), Schema.Struct({ jwt: JWTData })
])
export type SecurityConfig = Schema.Schema.Type<typeof SecurityData>

/** The synapse wire: at `/synapse` of the listeners in any case. */
const SynapseData = Schema.Struct({
  /** A port of its own, beside them; the ancestor's is 8876. */
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  host: withDefault(Schema.NonEmptyString, () => "127.0.0.1"),
  /** Whoever reaches the port takes part under any free name; on a loopback address only. */
  open: withDefault(Schema.Boolean, () => false),
  /** Origins whose pages may connect to that port, beside those of a constellation that is published. */
  origins: withDefault(Texts, () => []),
  /** Good for any free name: `env:NAME`, `file:PATH`, `secret:NAME` of `secrets`, or the text itself. */
  token: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  /** Messages per second of one seat, and how many may come at once; 0: as many as it likes. */
  rate: withDefault(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)), () => 0),
  burst: withDefault(Positive, () => 20),
  /** Connections, and those of one address. */
  clients: withDefault(Positive.check(Schema.isLessThanOrEqualTo(synapseClientsMax)), () => synapseClientsDefault),
  perHost: Schema.optionalKey(Positive)
})
export interface SynapseConfig extends Schema.Schema.Type<typeof SynapseData> {}

const NetworkData = Schema.Struct({
  publish: withDefault(Schema.Boolean, () => false),
  host: withDefault(Schema.NonEmptyString, () => "127.0.0.1"),
  /** Absent: 8100, or the next free one. */
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  /** Names beside the loopback ones by which clients call it. */
  hosts: withDefault(Texts, () => []),
  /** Origins whose pages may call it. */
  origins: withDefault(Texts, () => []),
  /** Files with PEM texts; relative to the directory of the constellation. */
  tls: Schema.optionalKey(Schema.Struct({ cert: Schema.NonEmptyString, key: Schema.NonEmptyString })),
  /** A proxy ends TLS in front of it, and nobody reaches it but through the proxy. */
  behindProxy: withDefault(Schema.Boolean, () => false),
  security: Schema.optionalKey(SecurityData),
  /** Handlers of one's own beside the portable API, from a TypeScript config. */
  endpoints: withDefault(Schema.Array(EndpointObject), () => []),
  synapse: withDefault(SynapseData, () => ({})),
  /** Where traces, metrics and logs are sent, as OTLP over HTTP; default: nowhere, unless the environment names it. */
  otlp: Schema.optionalKey(Schema.NonEmptyString)
})
export interface NetworkConfig extends Schema.Schema.Type<typeof NetworkData> {}

const Shape = Schema.Struct({
  id: withDefault(SystemId, () => "aaax-main"),
  name: withDefault(Schema.NonEmptyString, () => "AAAX Kernel"),
  store: withDefault(StoreData, () => ({})),
  /** "granted" (ours, deny by default: also when absent), "default", the path of a rule file, a rule table, or rules. */
  policy: Schema.optionalKey(Schema.Union([Schema.NonEmptyString, Schema.Array(Schema.Union([RuleObject, Settings])), RuleObject, Settings])),
  libos: withDefault(Schema.Struct({
    name: withDefault(Text, () => "lllm"),
    strictBoot: withDefault(Schema.Boolean, () => true),
    discoverSharedPackages: withDefault(Schema.Boolean, () => false)
  }), () => ({})),
  network: withDefault(NetworkData, () => ({})),
  modules: withDefault(Schema.Array(ModuleEntry).check(Schema.isMaxLength(systemsMax)), () => []),
  executors: withDefault(ExecutorTable, () => ({})),
  /** Handles of secrets: `env:NAME` or `file:PATH`, and the hosts, programs and executors that each is for. */
  secrets: withDefault(SecretTable, () => ({})),
  doors: withDefault(Schema.Array(DoorObject), () => []),
  /** Channels that the kernel provides, beside those that modules bring. */
  channels: withDefault(Schema.Array(ChannelSpec), () => []),
  /** Payload schemas by name, for channels whose `schema` names them: JSON Schema, a Standard Schema, or the path of a JSON file. */
  schemas: withDefault(Schema.Record(Schema.NonEmptyString, Schema.Union([Schema.NonEmptyString, SchemaObject, Settings])), () => ({})),
  survey: withDefault(Schema.Struct({
    workers: withDefault(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 })), () => 2)
  }), () => ({})),
  isolation: withDefault(Schema.Struct({
    /** Lets code run below the floor that its trust requires. Said aloud and journalled. */
    allowWeakIsolation: withDefault(Schema.Boolean, () => false),
    /** Public keys of publishers whose signed modules are trusted as `signed`: `aaax module sign` prints them. */
    publishers: withDefault(Texts, () => [])
  }), () => ({})),
  approvals: withDefault(Schema.Struct({
    /** How long an escalated action waits for a human before it expires to a refusal. */
    expiryMillis: withDefault(Positive, () => approvalMillisDefault),
    /** The same as text, such as `15m`; wins. */
    ttl: Schema.optionalKey(Schema.NonEmptyString.check(Schema.makeFilter((text: string) => {
      const millis = millisOf(text)
      return (millis !== undefined && millis > 0) || `'${text}' is no time span such as 90s, 15m or 2h`
    }))),
    /** How many different approvers an action of a risk needs; default: one. */
    quorum: withDefault(Schema.Struct({
      low: Schema.optionalKey(Quorum), medium: Schema.optionalKey(Quorum), high: Schema.optionalKey(Quorum), irreversible: Schema.optionalKey(Quorum)
    }), () => ({})),
    /** From which risk up an approval from outside the kernel's process needs the code on its terminal, or the passphrase. */
    code: withDefault(Schema.Literals(["low", "medium", "high", "irreversible", "never"]), () => "high" as const),
    /** What `aaax gate passphrase hash` printed; wins over the file beside the store. Never the passphrase itself. */
    passphrase: Schema.optionalKey(Schema.NonEmptyString.check(Schema.makeFilter((text: string) =>
      isPassphraseHash(text) || "it is not what aaax gate passphrase hash prints")))
  }), () => ({})),
  /** Evidence: signed checkpoints of the journal, outside the store. */
  audit: withDefault(Schema.Struct({
    /** Folder of the checkpoints and of the key that signs them; default: `checkpoints/` beside the database. */
    checkpoints: Schema.optionalKey(Schema.NonEmptyString),
    /** Entries, and seconds, after which one is written when something changed. */
    every: withDefault(Positive, () => checkpointEntriesDefault),
    seconds: withDefault(Positive, () => checkpointMillisDefault / 1_000),
    /** Further places that are told each one: a file elsewhere, an http address, `stdout`, or a program. */
    witness: withDefault(Schema.Union([WitnessData, Schema.Array(WitnessData)]), () => [])
  }), () => ({})),
  /** What systems may spend, by globs over their ids: `*` is for all together, `project` for it and what is below it. */
  budgets: withDefault(Schema.Record(Schema.NonEmptyString.check(Schema.isMaxLength(globLengthMax)), BudgetSpec).check(Schema.isMaxProperties(budgetsMax)), () => ({})),
  retention: withDefault(Schema.Struct({
    /** Newest events that are kept in each request and reply channel. */
    requests: withDefault(Positive, () => requestRetention)
  }), () => ({}))
})

type Decoded = Schema.Schema.Type<typeof Shape>
type Encoded = Schema.Codec.Encoded<typeof Shape>

/** Where events are kept: as data, or a backend of one's own. */
export type StoreConfig =
  | { readonly backend: "sqlite"; readonly path: string }
  | { readonly backend: "memory" }
  | { readonly backend: "layer"; readonly layer: Layer.Layer<Store, unknown> }

/** A config with every default filled in. */
export interface KernelConfig extends Omit<Decoded, "store"> {
  readonly store: StoreConfig
}

/** What an author writes: everything is optional, and there are shorthands. */
export interface ConfigInput extends Omit<Partial<Encoded>, "store" | "modules" | "executors"> {
  /** Short for `network.security`. */
  readonly security?: NonNullable<NonNullable<Encoded["network"]>["security"]>
  /** A path, `":memory:"`, data, or a store layer. */
  readonly store?: string | Encoded["store"] | { readonly path: string } | Layer.Layer<Store, unknown>
  readonly modules?: ReadonlyArray<NonNullable<Encoded["modules"]>[number] | System>
  readonly executors?: Encoded["executors"] | ReadonlyArray<Executor>
}

/** Gives the config its type, in an `aaax.config.ts`. It is checked when it is loaded. */
export const defineConfig = (config: ConfigInput): ConfigInput => config

/** A module that was loaded: what the kernel docks at boot, in order. */
export interface ConfiguredModule {
  readonly manifest: Manifest
  /** Absent for a framework without code: a placeholder, or one that is refused by name. */
  readonly system?: System
  readonly file: string | null
  /** sha-256 of the file, in lower-case hexadecimal; null without a file. */
  readonly digest: string | null
  /** Channels of others that config wires it to, for reading and appending. */
  readonly channels: ReadonlyArray<string>
  readonly privileged: boolean
  readonly lllmToml?: string
  /** Where its code runs; absent: in this process, as code of the host. */
  readonly isolation?: Isolation
  /** Ends what was started to read it, when it is not docked. */
  readonly release?: () => void
}

/** The program of an entry, wherever it is said. */
export const commandOf = ({ command, manifest }: ModuleConfig): ReadonlyArray<string> | undefined => manifest?.command ?? command

/**
 * Brings entry, explicit manifest and the loaded system's own manifest together. The explicit one wins over the
 * entry (as in the ancestor); lists of the system's own manifest are kept and added to.
 */
export const moduleOf = (
  entry: ModuleConfig,
  loaded?: { readonly system?: System; readonly file?: string | null; readonly digest?: string; readonly isolation?: Isolation; readonly release?: () => void }
): ConfiguredModule => {
  const system = loaded?.system ?? entry.system
  const own = system?.manifest
  const explicit = entry.manifest ?? {}
  const both = (a: ReadonlyArray<string> | undefined, b: ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
    [...new Set([...(a ?? []), ...(b ?? [])])]
  const provides = [
    ...(own?.provides ?? []),
    ...(explicit.provides ?? []),
    ...(explicit.provides_channels ?? []).map((channel) => (typeof channel === "string" ? { name: channel } : channel))
  ]
  const lllmToml = entry.lllmToml ?? explicit.lllm_toml ?? undefined
  return {
    manifest: {
      id: entry.id,
      framework: entry.framework ?? explicit.framework ?? own?.framework ?? (commandOf(entry) === undefined ? "lllm" : "process"),
      description: explicit.description ?? own?.description ?? "",
      reads: both(own?.reads, explicit.reads),
      writes: both(own?.writes, explicit.writes),
      takes: both(own?.takes, explicit.takes),
      provides: provides.filter((spec, at) => provides.findIndex((other) => other.name === spec.name) === at),
      snapshots: both(own?.snapshots, explicit.snapshots),
      executors: both(own?.executors, explicit.requires_executors ?? explicit.executors ?? entry.executors),
      remoteChannels: both(own?.remoteChannels, explicit.requires_remote_channels ?? explicit.remoteChannels ?? entry.remoteChannels),
      powers: [...(own?.powers ?? []), ...(explicit.powers ?? [])],
      privileged: explicit.privileged ?? (entry.privileged || own?.privileged === true),
      riskProfile: explicit.risk_profile ?? explicit.riskProfile ?? own?.riskProfile ?? "medium"
    },
    ...(system === undefined ? {} : { system }),
    file: loaded?.file ?? null,
    digest: loaded?.digest ?? null,
    channels: explicit.requires_channels ?? entry.channels,
    privileged: explicit.privileged ?? (entry.privileged || own?.privileged === true),
    ...(lllmToml === undefined ? {} : { lllmToml }),
    ...(loaded?.isolation === undefined ? {} : { isolation: loaded.isolation }),
    ...(loaded?.release === undefined ? {} : { release: loaded.release })
  }
}

/** Keys and words known at each place, for "did you mean". `[]` stands for any index. */
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  "": Object.keys(Shape.fields),
  store: ["backend", "path"],
  "store.backend": ["sqlite", "memory"],
  libos: ["name", "strictBoot", "discoverSharedPackages"],
  network: Object.keys(NetworkData.fields),
  "network.tls": ["cert", "key"],
  "network.synapse": Object.keys(SynapseData.fields),
  executors: Object.keys(ExecutorTable.fields),
  ...knownKeys,
  survey: ["workers"],
  approvals: ["expiryMillis", "ttl", "quorum", "code", "passphrase"],
  "approvals.quorum": ["low", "medium", "high", "irreversible"],
  "approvals.code": ["low", "medium", "high", "irreversible", "never"],
  retention: ["requests"],
  audit: ["checkpoints", "every", "seconds", "witness"],
  "modules[]": Object.keys(ModuleEntry.fields).filter((key) => key !== "system"),
  "modules[].framework": frameworks,
  "modules[].tier": tiers,
  "modules[].limits": ["memoryBytes", "processorSeconds", "bootMillis", "silenceMillis", "stallMillis"],
  isolation: ["allowWeakIsolation", "publishers"],
  "modules[].manifest": Object.keys(ManifestData.fields),
  "channels[]": Object.keys(ChannelSpec.fields),
  "channels[].form": Form.literals,
  "channels[].delivery": ["shared", "exclusive", "addressed", "latest"],
  "channels[].durability": ["strict", "relaxed", "memory"],
  "channels[].retention": Object.keys(RetentionSpec.fields),
  "channels[].visibility": ["private", "public"]
}

const camel = (key: string): string => key.replace(/_+([a-z0-9])/gu, (_, letter: string) => letter.toUpperCase())

/** Objects whose keys are the user's own, or have a spelling of their own. */
const verbatim = new Set(["budgets", "policy", "settings", "metadata", "manifest", "schemas", "secrets", "repositories"])

/** One spelling for the schema: snake_case keys become camelCase, shorthands become objects. Objects are left alone. */
const oneSpelling = (value: unknown, spelled: Map<string, string>, at: string): unknown => {
  if (Array.isArray(value)) return value.map((item, index) => oneSpelling(item, spelled, `${at}[${index}]`))
  if (!isObject(value) || Layer.isLayer(value) || isSystem(value) || isRule(value) || isExecutor(value) || isDoor(value) || isSecurity(value) || isEndpoint(value)) return value
  const result: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    const name = camel(key)
    // Both spellings of one key: keep the second under its own spelling, so that it is reported as not known.
    const kept = Object.hasOwn(result, name) ? key : name
    const path = at === "" ? kept : `${at}.${kept}`
    if (kept !== key) spelled.set(path, key)
    const next = verbatim.has(kept) ? inner : oneSpelling(inner, spelled, path)
    if (kept !== "__proto__") result[kept] = next
  }
  return result
}

const shorthand = (input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const { executors, modules, network, security, store, ...rest } = input
  const path = typeof store === "string" ? store : isObject(store) && store["backend"] === undefined ? store["path"] : undefined
  return {
    ...rest,
    ...(store === undefined ? {} : { store }),
    ...(executors === undefined ? {} : { executors }),
    ...(modules === undefined ? {} : { modules }),
    ...(network === undefined && security === undefined
      ? {}
      // Two places that say it: the one that is in its place is left for the schema, and the other told as not known.
      : isObject(network) && network["security"] !== undefined && security !== undefined
        ? { network, security }
        : { network: security === undefined ? network : { ...(isObject(network) ? network : {}), security } }),
    ...(typeof path === "string"
      ? { store: { ...(isObject(store) ? store : {}), ...(path === ":memory:" ? { backend: "memory" } : { backend: "sqlite", path }) } }
      : {}),
    ...(Array.isArray(modules)
      ? {
          modules: modules.map((item: unknown) =>
            isSystem(item)
              ? { id: item.manifest.id, system: item }
              : isObject(item) && isSystem(item["system"])
                ? { id: item["system"].manifest.id, ...item }
                : item)
        }
      : {}),
    ...(Array.isArray(executors) ? { executors: { own: executors } } : {})
  }
}

const decode = Schema.decodeUnknownResult(Shape, { errors: "all", onExcessProperty: "error" })
const format = SchemaIssue.makeFormatterStandardSchemaV1()

const at = (input: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>((value, key) => (isObject(value) ? value[String(key)] : undefined), input)

const keyPath = (path: ReadonlyArray<PropertyKey>, index: (at: number) => string): string =>
  path.reduce<string>((text, key) => text + (typeof key === "number" ? index(key) : `${text === "" ? "" : "."}${String(key)}`), "")

/** The path as the user spelled it. */
const spelledPath = (path: ReadonlyArray<PropertyKey>, spelled: ReadonlyMap<string, string>): string => {
  let text = ""
  path.forEach((key, index) => {
    const own = spelled.get(keyPath(path.slice(0, index + 1), (n) => `[${n}]`))
    text += typeof key === "number" ? `[${key}]` : `${text === "" ? "" : "."}${own ?? String(key)}`
  })
  return text
}

const missing = "is missing."

const issueOf = (
  file: string, input: unknown, spelled: ReadonlyMap<string, string>, issue: { readonly message: string; readonly path: ReadonlyArray<PropertyKey> }
): ConfigIssue => {
  const last = issue.path.at(-1)
  const unknownKey = issue.message === "Expected no excess property"
  const place = keyPath(unknownKey ? issue.path.slice(0, -1) : issue.path, () => "[]")
  const word = unknownKey ? last : at(input, issue.path)
  const near = typeof word === "string" ? nearest(word, known[place] ?? []) : undefined
  const reason = unknownKey
    ? `'${String(last)}' is not a key that is known here.`
    : issue.message === "Missing key"
      ? missing
      : `${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}${issue.message.endsWith(".") ? "" : "."}`
  return { file, path: spelledPath(issue.path, spelled), reason, ...(near === undefined ? {} : { nearest: near }) }
}

/**
 * Decodes a parsed config file or a `defineConfig` object. The ancestor's files hold everything under `aaax`. Fails
 * with all mistakes at once; `file` is only for their message.
 */
export const decodeConfig = (raw: unknown, file: string): Effect.Effect<KernelConfig, ConfigInvalid> =>
  Effect.suspend(() => {
    const inner = isObject(raw) && isObject(raw["aaax"]) ? raw["aaax"] : raw
    if (!isObject(inner) || Array.isArray(inner)) {
      return Effect.fail(new ConfigInvalid({ issues: [{ file, path: "", reason: "expected a table of keys." }] }))
    }
    const spelled = new Map<string, string>()
    // A store layer is taken out before decoding, so that mistakes in store data are told as such.
    const { store, ...rest } = inner
    const plain = isStoreLayer(store) ? rest : inner
    // An object of keys stays one: only keys are respelled.
    const input = shorthand(oneSpelling(plain, spelled, "") as Readonly<Record<string, unknown>>)
    const decoded = decode(input)
    const issues = Result.isFailure(decoded)
      ? onceEach(format(decoded.failure.issue).issues.map((issue) =>
          // A path part of the Standard Schema interface is a key or an object that holds one.
          issueOf(file, input, spelled, { message: issue.message, path: (issue.path ?? []).map((p) => (typeof p === "object" ? p.key : p)) })))
      : twice(file, decoded.success)
    // Tables of others may stand beside `aaax`; one of ours there was meant to be in it.
    const beside = inner === raw || !isObject(raw)
      ? []
      : Object.keys(raw).filter((key) => known[""]?.includes(key)).map((key): ConfigIssue => ({ file, path: key, reason: `it belongs under aaax: aaax.${key}.` }))
    const mistakes = [...issues, ...beside]
    return Result.isFailure(decoded) || mistakes.length > 0
      ? Effect.fail(new ConfigInvalid({ issues: mistakes }))
      : Effect.succeed({
          ...decoded.success,
          store: isStoreLayer(store)
            ? { backend: "layer", layer: store }
            : decoded.success.store.backend === "memory"
              ? { backend: "memory" }
              : { backend: "sqlite", path: decoded.success.store.path }
        })
  })

/** A key that is only misspelt is not missing as well. */
const onceEach = (issues: ReadonlyArray<ConfigIssue>): ReadonlyArray<ConfigIssue> => {
  const meant = new Set(issues.flatMap(({ nearest: near, path }) =>
    near === undefined ? [] : [path.includes(".") ? `${path.slice(0, path.lastIndexOf("."))}.${near}` : near]))
  return issues.filter(({ path, reason }) => reason !== missing || !meant.has(path))
}

/** Ids and channel names that appear twice. */
const twice = (file: string, config: Decoded): ReadonlyArray<ConfigIssue> => {
  const repeated = (names: ReadonlyArray<string>, list: string, key: string): ReadonlyArray<ConfigIssue> =>
    names.flatMap((name, index) =>
      names.indexOf(name) === index ? [] : [{ file, path: `${list}[${index}].${key}`, reason: `'${name}' is there already, at ${list}[${names.indexOf(name)}].` }])
  return [
    ...repeated(config.modules.map((entry) => entry.id), "modules", "id"),
    ...repeated(config.channels.map((spec) => spec.name), "channels", "name")
  ]
}
