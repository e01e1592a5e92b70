// `aaax/testing`: a kernel in memory for the tests of authors, with a clock of its own and, when asked for, the hostile
// store that behaves as a replicated log does.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Executor } from "../protocol/executor.ts"
import { ModuleRejected, type ConfigInvalid } from "../protocol/errors.ts"
import { makeClock, type ClockSource } from "./clock.ts"
import { forExecutors, type Secrets } from "./executor/secrets.ts"
import type { ChannelSpec } from "../protocol/channel.ts"
import { policyOfDocument } from "./guard/policy-document.ts"
import { makeSchemas } from "./guard/schemas.ts"
import * as Kernel from "./kernel.ts"
import { actCrypto } from "./power/act-crypto.ts"
import { sha256Bytes, sha256Hex } from "./power/digest.ts"
import { makeCedarEngine } from "./power/cedar-engine.ts"
import { loadPolicy } from "./power/policy-file.ts"
import { realPath } from "./power/place.ts"
import { readingPower } from "./power/reading.ts"
import * as Memory from "./store/memory.ts"
import type { StoreService } from "./store/store.ts"
import { version } from "./version.ts"

export { makeSecrets, type Secrets, type SecretSpec } from "./executor/secrets.ts"
export type { HostileOptions } from "./store/memory.ts"

export interface TestOptions {
  readonly id?: string
  /** As in a config; default: ours, deny by default. */
  readonly policy?: unknown
  readonly executors?: ReadonlyArray<Executor>
  readonly channels?: ReadonlyArray<ChannelSpec>
  /** Payload schemas by name, as in a config: JSON Schema or a Standard Schema. */
  readonly schemas?: Readonly<Record<string, unknown>>
  readonly hostile?: Memory.HostileOptions
  /** A store that is open already, in place of a new one in memory. */
  readonly store?: StoreService
  readonly directory?: string
  /** Run services and systems at once; default true. Otherwise `step` does what is pending. */
  readonly launch?: boolean
  readonly approvalMillis?: number
  /** Approvers that an action of a risk needs; default: one. */
  readonly quorum?: Kernel.KernelOptions["quorum"] & {}
  /** What the kernel's terminal would show goes here; absent: the kernel has none. */
  readonly terminal?: (line: string) => void
  /** Approvals from outside may be proved with it. */
  readonly passphrase?: string
  /** Newest events that are kept in each request and reply channel. */
  readonly requestRetention?: number
  readonly time?: TestTime
  /** Where checkpoints of the journal are kept outside the store; default: nowhere. */
  readonly checkpoints?: NonNullable<Kernel.Powers["checkpoints"]>
  /** Signs the kernel's tokens; default: one that dies with the kernel. */
  readonly tokenKey?: NonNullable<Kernel.Powers["tokenKey"]>
  /** Signs tokens for grants; default: one that dies with the kernel. */
  readonly capabilityKey?: NonNullable<Kernel.Powers["capabilityKey"]>
  /** Secrets that executors may ask for; default: none. */
  readonly secrets?: Secrets
}

/** Time that only goes on when it is told to. */
export interface TestTime extends ClockSource {
  readonly advance: (millis: number) => void
  /** Moves only the wall clock, as an operator or a bad time server would. */
  readonly jump: (millis: number) => void
}

export const testTime = (startMillis = 1_750_000_000_000): TestTime => {
  let wall = startMillis
  let monotonic = 0
  return {
    wall: () => wall,
    monotonic: () => monotonic,
    advance: (millis) => {
      wall += millis
      monotonic += millis
    },
    jump: (millis) => {
      wall += millis
    }
  }
}

export interface TestKernel extends Kernel.Hosted {
  readonly time: TestTime
}

/** A kernel for as long as the scope. Fails only for a policy that is none. */
export const makeKernel = Effect.fnUntraced(function*(
  options: TestOptions = {}
): Effect.fn.Return<TestKernel, ConfigInvalid, Scope.Scope> {
  const time = options.time ?? testTime()
  const clock = makeClock(time)
  const { make: makeCedar } = yield* makeCedarEngine
  const { document, policy } = yield* loadPolicy(options.policy, { directory: options.directory ?? ".", file: "test", makeCedar })
  const store = options.store ?? (yield* Memory.make({ clock, ...(options.hostile === undefined ? {} : { hostile: options.hostile }) }))
  const kernel = yield* Effect.orDie(Kernel.make({
    id: options.id ?? "test",
    name: "Test kernel",
    version,
    directory: options.directory ?? ".",
    store,
    clock,
    policy,
    policyDocument: document,
    makePolicy: (given) => policyOfDocument(given, "policy", "", makeCedar),
    executors: options.executors ?? [],
    channels: options.channels ?? [],
    schemas: yield* Effect.orDie(makeSchemas(options.schemas)),
    source: (file) => Effect.fail(new ModuleRejected({ module: file, reason: "a test kernel loads no files" })),
    powers: {
      sha256: sha256Hex, sha256Bytes, readingPower, act: actCrypto, realPath, ...(options.capabilityKey === undefined ? {} : { capabilityKey: options.capabilityKey }), ...(options.checkpoints === undefined ? {} : { checkpoints: options.checkpoints }),
      ...(options.tokenKey === undefined ? {} : { tokenKey: options.tokenKey }),
      ...(options.terminal === undefined ? {} : { terminal: options.terminal }),
      ...(options.passphrase === undefined ? {} : { passphrase: (given: string) => Effect.succeed(given === options.passphrase) }),
      ...(options.secrets === undefined ? {} : { secrets: forExecutors(options.secrets) })
    },
    ...(options.approvalMillis === undefined ? {} : { approvalMillis: options.approvalMillis }),
    ...(options.quorum === undefined ? {} : { quorum: options.quorum }),
    ...(options.requestRetention === undefined ? {} : { requestRetention: options.requestRetention }),
    pid: 0
  }))
  if (options.launch !== false) yield* kernel.launch
  return { ...kernel, time }
})

/** Runs `body` with a kernel that ends with it. For tests in plain async code. */
export const withKernel = async <A>(options: TestOptions, body: (kernel: TestKernel) => Promise<A>): Promise<A> => {
  const scope = Scope.makeUnsafe()
  try {
    return await body(await Effect.runPromise(Scope.provide(makeKernel(options), scope)))
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Expects that a promise is refused, and gives the refusal; throws when it is not. */
export const expectDenied = async (promise: Promise<unknown>): Promise<{ readonly _tag: string; readonly message: string }> => {
  const refusal: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error
  )
  if (typeof refusal === "object" && refusal !== null && "_tag" in refusal && refusalTags.has(String(refusal._tag))) {
    return refusal as { readonly _tag: string; readonly message: string }
  }
  throw new Error(refusal === undefined ? "expected a refusal, but it was allowed" : `expected a refusal, got ${String(refusal)}`)
}

const refusalTags: ReadonlySet<string> = new Set(["Denied", "Refused", "DockRefused", "ModuleRejected", "Undocked"])
