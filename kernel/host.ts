// The kernel for plain async code: launch it, dock systems from code, answer the gate, close it.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { dirname, resolve } from "node:path"
import type { BudgetView } from "../protocol/budget.ts"
import type { GateStory, Standing, StandingPreview, StandingTerms, Why } from "../protocol/approval.ts"
import { channelOf, type ChannelSpec } from "../protocol/channel.ts"
import type { Appended, Draft, Event, Filter } from "../protocol/event.ts"
import type { System } from "../protocol/manifest.ts"
import type { AppendOptions } from "../protocol/port.ts"
import type { ChannelId, Cursor, SystemId } from "../protocol/names.ts"
import type { Explanation, PolicyEntry, PolicyView, QuestionDraft } from "../protocol/policy.ts"
import type { ChannelView, GateView, KernelStatus, ModuleView, SystemView } from "../protocol/view.ts"
import type { WarrantState } from "../protocol/warrant.ts"
import * as wellKnown from "../protocol/well-known.ts"
import type { MintedToken, TokenRequest, TokenView } from "../protocol/token.ts"
import type { BudgetChange } from "./authority/budgets.ts"
import { decodeConfig, type ConfigInput, type KernelConfig, type NetworkConfig } from "./config.ts"
import * as Http from "./door/http.ts"
import { publicationOf } from "./door/publication.ts"
import { synapseOptions } from "./door/synapse/options.ts"
import { telemetry, telemetryEndpoint, withTelemetry, type Telemetry } from "./door/telemetry.ts"
import type { DockOptions, Hosted } from "./kernel.ts"
import { launchKernel } from "./launch.ts"
import { installed } from "./power/bundled.ts"
import { ownTerminal } from "./power/terminal.ts"
import { readConfigFile } from "./power/config-file.ts"
import { moduleFiles } from "./power/module-file.ts"
import { scriptRunner } from "./power/script.ts"
import { makeTiers } from "./tier/tiers.ts"
import { version } from "./version.ts"

/** A system that was docked from code. */
export interface DockedSystem {
  readonly id: SystemId
  /** Awaits its own drain, at most so long, then stops it. */
  readonly drain: (options?: { readonly timeoutMillis?: number }) => Promise<void>
  readonly pause: () => Promise<void>
  readonly resume: () => Promise<void>
  readonly undock: () => Promise<void>
  readonly status: () => SystemView | undefined
}

interface Approval {
  /** Neither the requester nor anybody that it got its authority from. */
  readonly by: SystemId
  readonly reason?: string
  /** Allow more of the same for a while. */
  readonly standing?: StandingTerms
}

/** An action that waits for a human, as it is handed to a listener. Answers are for what was handed over, and nothing else. */
export interface Escalation extends GateView {
  readonly approve: (answer: Approval) => Promise<GateView>
  readonly deny: (answer: { readonly by: SystemId; readonly reason: string }) => Promise<GateView>
  /** Puts other arguments in its place, and approves those. */
  readonly edit: (answer: Approval & { readonly payload: unknown }) => Promise<GateView>
}

/** What a function answers for an action that waits; nothing: it goes on waiting. */
export type Answer =
  | { readonly outcome: "approved"; readonly reason?: string; readonly standing?: StandingTerms }
  | { readonly outcome: "refused"; readonly reason: string }
  | { readonly outcome: "edited"; readonly payload: unknown; readonly reason?: string }

/** Where a kernel is published. */
export interface PublishedAt {
  readonly url: string
  readonly port: number
  /** What the operator presents there. For everybody else: `tokens.mint`. */
  readonly operatorToken: string
}

/** A running kernel. Every promise rejects with the tagged error itself. */
export interface HostKernel {
  readonly id: string
  /**
   * Serves its PUBLIC channels, its resources and its own API over HTTP and WebSocket until it closes; default: the host and
   * port of the config. A second call joins the first. Rejects with `ConfigInvalid` for an address that is taken, or that
   * other machines reach without TLS.
   */
  readonly publish: (host?: string, port?: number) => Promise<PublishedAt>
  /** Credentials for those outside. */
  readonly tokens: {
    /** The token is told once and kept nowhere. */
    readonly mint: (request: TokenRequest) => Promise<MintedToken>
    readonly list: () => ReadonlyArray<TokenView>
    /** By id, or all of a name; at once. */
    readonly revoke: (target: string) => Promise<ReadonlyArray<TokenView>>
  }
  readonly dock: (system: System, options?: DockOptions) => Promise<DockedSystem>
  readonly undock: (id: SystemId) => Promise<void>
  readonly channels: {
    /** A channel that the host provides. */
    readonly create: (name: ChannelId, spec?: Omit<ChannelSpec, "name">) => Promise<void>
    /** Appends as the host; its id is the sender. */
    readonly append: (name: ChannelId, drafts: Draft | ReadonlyArray<Draft>, options?: AppendOptions) => Promise<ReadonlyArray<Appended>>
    readonly read: (name: ChannelId, options?: { readonly after?: Cursor; readonly limit?: number; readonly filter?: Filter }) => Promise<ReadonlyArray<Event>>
    /** Every event behind `after`, and those to come. Ends when `signal` is aborted, after `limit` events, or with the kernel. */
    readonly subscribe: (name: ChannelId, options?: { readonly after?: Cursor; readonly limit?: number; readonly signal?: AbortSignal }) => AsyncIterable<Event>
    readonly list: () => Promise<ReadonlyArray<ChannelView>>
  }
  readonly gate: {
    readonly list: (options?: { readonly state?: WarrantState }) => Promise<ReadonlyArray<GateView>>
    readonly show: (id: string) => Promise<GateStory>
    /** From this process, which is the kernel's own: no code is asked for. */
    readonly approve: (id: string, answer: Approval & { readonly digest?: string }) => Promise<GateView>
    readonly deny: (id: string, answer: { readonly by: SystemId; readonly reason: string }) => Promise<GateView>
    /** Takes back the effect of one that succeeded, where its executor can. Answers the warrant that does it. */
    readonly compensate: (id: string, answer: { readonly by: SystemId; readonly reason?: string }) => Promise<GateView>
    readonly reconcile: (id: string, answer: { readonly by: SystemId; readonly outcome: "succeeded" | "failed"; readonly reason: string }) => Promise<GateView>
    /** Puts other arguments in place of those that wait; they wait under a digest of their own. */
    readonly edit: (id: string, edited: { readonly by: SystemId; readonly payload: unknown; readonly reason?: string; readonly digest?: string }) => Promise<GateView>
    /** What a standing approval on these terms would have matched. */
    readonly preview: (id: string, terms: StandingTerms) => Promise<StandingPreview>
    readonly standing: () => ReadonlyArray<Standing>
    readonly revokeStanding: (id: string, by: SystemId) => Promise<Standing>
    /** Answers what waits now and every later escalation with a function, under a name. Answers how to stop it. */
    readonly answer: (by: SystemId, answer: (escalation: GateView) => Answer | undefined | Promise<Answer | undefined>) => () => void
    /** Who changed a path last, or why an event or an action is there. */
    readonly why: (asked: string) => Promise<Why>
    /** Calls back for what waits now and for every later escalation; answers how to stop it. */
    readonly on: (event: "escalated", listener: (escalation: Escalation) => unknown) => () => void
  }
  /** What systems and grants may spend, and have spent. */
  readonly budgets: {
    readonly list: () => ReadonlyArray<BudgetView>
    /** By `system:GLOB`, `grant:ID`, or a glob alone. */
    readonly show: (account: string) => Promise<BudgetView>
    /** Units that are not named stay as they are; `perMillis` null: what is spent counts for good. */
    readonly set: (system: string, change: BudgetChange, by?: SystemId) => Promise<BudgetView>
    readonly end: (system: string, by?: SystemId) => Promise<void>
  }
  /** The policy in force; `document` is "granted", "default" or a rule table, with the texts of its Cedar files. */
  readonly policy: {
    readonly show: () => Promise<PolicyView>
    readonly log: () => Promise<ReadonlyArray<PolicyEntry>>
    /** Puts it in force until it is reverted, also after a restart. Rejects with `ConfigInvalid`, with every mistake in it. */
    readonly activate: (document: unknown, options: { readonly by: SystemId; readonly reason?: string }) => Promise<PolicyView>
    /** The one before, one by its version, or "config". */
    readonly revert: (options: { readonly by: SystemId; readonly version?: string; readonly reason?: string }) => Promise<PolicyView>
    /** What each rule says: to a request that was made, or to a question. */
    readonly explain: (asked: string | QuestionDraft) => Promise<Explanation>
  }
  /** Nothing new starts until it is thawed, also after a restart. Answers whether that is new. */
  readonly freeze: (options: { readonly by: SystemId; readonly reason?: string }) => Promise<boolean>
  readonly thaw: (options: { readonly by: SystemId; readonly reason?: string }) => Promise<boolean>
  readonly systems: () => ReadonlyArray<SystemView>
  readonly modules: () => ReadonlyArray<ModuleView>
  readonly status: () => KernelStatus
  /** Does exactly what is pending and returns. */
  readonly step: () => Promise<void>
  /** Drains, writes a snapshot, and releases the store. A second call joins the first. */
  readonly close: (options?: { readonly timeoutMillis?: number }) => Promise<void>
  /** The kernel as Effects. */
  readonly effect: Hosted
}

export interface HostOptions extends ConfigInput {
  /** What the constellation works on, and what relative paths start from; default: the working directory. */
  readonly directory?: string
  /** Start nothing by itself: `step` does what is pending. */
  readonly stepped?: boolean
}

const closeMillisDefault = 10_000

/** Runs an Effect as a promise that rejects with the failure itself. */
export const promised = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
  const exit = await Effect.runPromiseExit(Effect.provide(effect, Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

/** Wraps a kernel that lives in `scope`. */
const hostOf = (kernel: Hosted, scope: Scope.Closeable, network: NetworkConfig, secrets: KernelConfig["secrets"], directory: string, exported: Telemetry | undefined): HostKernel => {
  let closing: Promise<void> | undefined
  let publishing: Promise<PublishedAt> | undefined
  const stopped = new AbortController()

  async function* subscribe(
    name: ChannelId, { after = 0, limit = Infinity, signal }: { readonly after?: Cursor; readonly limit?: number; readonly signal?: AbortSignal } = {}
  ): AsyncGenerator<Event> {
    const ended = signal === undefined ? stopped.signal : AbortSignal.any([signal, stopped.signal])
    let cursor = after
    let given = 0
    while (!ended.aborted && given < limit) {
      const page = await promised(kernel.channels.read(kernel.id, name, { after: cursor, limit: Math.min(limit - given, 500), fullLog: true }))
      for (const event of page.events) {
        if (ended.aborted) return
        given++
        yield event
      }
      cursor = page.next
      if (page.events.length > 0) continue
      const beyond = await Effect.runPromiseExit(kernel.channels.awaitBeyond(name, cursor), { signal: ended })
      if (Exit.isFailure(beyond)) {
        if (ended.aborted) return
        throw Cause.squash(beyond.cause)
      }
    }
  }

  const approve: HostKernel["gate"]["approve"] = (id, { by, ...options }) => promised(kernel.gate.approve(id, by, options))
  const edit: HostKernel["gate"]["edit"] = (id, { by, payload, ...options }) => promised(kernel.gate.edit(id, by, payload, options))
  const deny: HostKernel["gate"]["deny"] = (id, { by, reason }) => promised(kernel.gate.deny(id, by, reason))

  const onEscalated = (listener: (escalation: Escalation) => unknown): (() => void) => {
    const off = new AbortController()
    const seen = new Set<string>()
    const tell = (view: GateView): void => {
      if (seen.has(view.id) || off.signal.aborted) return
      seen.add(view.id)
      const { digest, id } = view
      listener({
        ...view,
        approve: (answer) => approve(id, { digest, ...answer }),
        deny: (answer) => deny(id, answer),
        edit: async ({ payload, standing, ...answer }) => {
          const edited = await edit(id, { ...answer, payload, digest })
          return approve(id, { ...answer, digest: edited.digest, ...(standing === undefined ? {} : { standing }) })
        }
      })
    }
    const follow = async (): Promise<void> => {
      const after = kernel.channels.store.statisticsOf(wellKnown.approvals)?.head ?? 0
      for (const view of await promised(kernel.gate.list({ state: "escalated" }))) tell(view)
      for await (const event of subscribe(wellKnown.approvals, { after, signal: off.signal })) {
        if (event.kind === "approval.waiting" && event.subject !== null) tell(await promised(kernel.gate.show(event.subject)))
      }
    }
    // A listener that throws must not end the kernel; it ends its own watching, and says so.
    follow().catch((error: unknown) => void promised(Effect.logError("a listener to escalations failed", error)))
    return () => off.abort()
  }

  /** A function that fails leaves its action waiting, and says so; the others are answered. */
  const answerWith: HostKernel["gate"]["answer"] = (by, answer) =>
    onEscalated((escalation) => {
      const { approve: yes, deny: no, edit: other, ...view } = escalation
      const given = async (): Promise<unknown> => {
        const said = await answer(view)
        switch (said?.outcome) {
          case undefined:
            return undefined
          case "approved": {
            const { outcome: _, ...rest } = said
            return yes({ by, ...rest })
          }
          case "refused":
            return no({ by, reason: said.reason })
          case "edited":
            return other({ by, payload: said.payload, ...(said.reason === undefined ? {} : { reason: said.reason }) })
        }
      }
      given().catch((error: unknown) => void promised(Effect.logError(`the answer to ${view.id} failed`, error)))
    })

  const publish = async (host: string, port: number | undefined): Promise<PublishedAt> => {
    const { port: configured, ...rest } = network
    const wished = port ?? configured
    const operatorToken = randomBytes(32).toString("base64url")
    const opened = await promised(Scope.provide(withTelemetry(exported, Effect.gen(function*() {
      const publication = yield* publicationOf({ ...rest, host, ...(wished === undefined ? {} : { port: wished }) }, directory)
      return yield* Http.door({
        token: operatorToken, executors: kernel.executors, publication, isAlone: true, synapse: yield* synapseOptions(network.synapse, secrets, directory), ...(exported === undefined ? {} : { telemetry: exported })
      }).open(kernel)
    })), scope))
    return { url: opened.url, port: opened.port, operatorToken }
  }

  const view = (id: SystemId): SystemView | undefined => kernel.systems().find((system) => system.id === id)

  return {
    id: kernel.id,
    effect: kernel,
    publish: (host = network.host, port) => {
      publishing ??= publish(host, port).catch((error: unknown) => {
        // What was wrong with this address may be right with another one.
        publishing = undefined
        throw error
      })
      return publishing
    },
    tokens: {
      mint: (request) => promised(kernel.tokens.mint(request)),
      list: kernel.tokens.list,
      revoke: (target) => promised(kernel.tokens.revoke(target))
    },
    dock: async (system, options) => {
      const { id } = await promised(kernel.dock(system, options))
      return {
        id,
        drain: ({ timeoutMillis } = {}) => promised(kernel.drain(id, timeoutMillis)),
        pause: () => promised(kernel.pause(id)),
        resume: () => promised(kernel.resume(id)),
        undock: () => promised(kernel.undock(id)),
        status: () => view(id)
      }
    },
    undock: (id) => promised(kernel.undock(id)),
    channels: {
      create: (name, spec = {}) => promised(kernel.channels.open(channelOf({ ...spec, name }, kernel.id))),
      append: (name, drafts, options) =>
        // One draft or several: only the list is an array.
        promised(kernel.channels.append(kernel.id, name, Array.isArray(drafts) ? drafts as ReadonlyArray<Draft> : [drafts as Draft], options)),
      read: (name, options) => promised(Effect.map(kernel.channels.read(kernel.id, name, { fullLog: true, ...options }), (page) => page.events)),
      subscribe,
      list: () => promised(kernel.views)
    },
    gate: {
      list: (options) => promised(kernel.gate.list(options)),
      show: (id) => promised(kernel.gate.show(id)),
      approve,
      deny,
      edit,
      preview: (id, terms) => promised(kernel.gate.preview(id, terms)),
      standing: kernel.gate.standing,
      revokeStanding: (id, by) => promised(kernel.gate.revokeStanding(id, by)),
      answer: answerWith,
      why: (asked) => promised(kernel.gate.why(asked)),
      compensate: (id, { by, reason = "" }) => promised(kernel.gate.compensate(id, by, reason)),
      reconcile: (id, { by, outcome, reason }) => promised(kernel.gate.reconcile(id, by, outcome, reason)),
      on: (_, listener) => onEscalated(listener)
    },
    budgets: {
      list: kernel.budgets.list,
      show: (account) => promised(kernel.budgets.show(account)),
      set: (system, change, by = kernel.id) => promised(kernel.budgets.set(system, change, by)),
      end: (system, by = kernel.id) => promised(kernel.budgets.end(system, by))
    },
    policy: {
      show: () => promised(kernel.policies.view),
      log: () => promised(kernel.policies.log),
      activate: (document, { by, reason = "" }) => promised(kernel.policies.activate(document, by, reason)),
      revert: ({ by, reason = "", version: wanted }) => promised(kernel.policies.revert(wanted, by, reason)),
      explain: (asked) => (typeof asked === "string" ? promised(kernel.policies.explainRequest(asked)) : promised(kernel.policies.explain(asked)))
    },
    freeze: ({ by, reason = "" }) => promised(kernel.policies.freeze(by, reason)),
    thaw: ({ by, reason = "" }) => promised(kernel.policies.thaw(by, reason)),
    systems: kernel.systems,
    modules: kernel.modules,
    status: kernel.status,
    step: () => promised(kernel.step),
    close: ({ timeoutMillis = closeMillisDefault } = {}) => {
      closing ??= (async () => {
        await promised(kernel.drainAll(timeoutMillis))
        stopped.abort()
        await promised(Scope.close(scope, Exit.void))
      })()
      return closing
    }
  }
}

/** Modules of a host import `aaax` as it is installed: the copy that the host itself imports. */
const run = scriptRunner()

/** A kernel from a decoded config. `base` is where module files are looked for. */
export const host = async (config: KernelConfig, directory: string, base: string, stepped: boolean): Promise<HostKernel> => {
  const scope = Scope.makeUnsafe()
  try {
    const endpoint = telemetryEndpoint(config.network.otlp)
    const exported = endpoint === undefined ? undefined : await promised(Scope.provide(telemetry({ endpoint, service: config.id, version }), scope))
    const kernel = await promised(Scope.provide(withTelemetry(exported, Effect.gen(function*() {
      const files = yield* Effect.acquireRelease(
        Effect.sync(() => moduleFiles(base, { run, bundled: installed, tiers: makeTiers() })), ({ close }) => Effect.sync(close)
      )
      const made = yield* launchKernel({ config, directory, terminal: ownTerminal(), modules: yield* files.ofConfig(config), source: files.source, program: files.program, version })
      if (!stepped) yield* made.launch
      return made
    })), scope))
    const hosted = hostOf(kernel, scope, config.network, config.secrets, directory, exported)
    if (config.network.publish && !stepped) await hosted.publish()
    return hosted
  } catch (error) {
    await promised(Scope.close(scope, Exit.void))
    throw error
  }
}

/**
 * Launches a kernel in this process: `await launch({ store: ":memory:" })`. Rejects with `ConfigInvalid` for a mistake
 * in the options, `StoreLocked` when another kernel owns the store, `ModuleRejected` for a module.
 */
export const launch = async (options: HostOptions = {}): Promise<HostKernel> => {
  const { directory = ".", stepped = false, ...input } = options
  const at = resolve(directory)
  return host(await promised(decodeConfig(input, "launch")), at, at, stepped)
}

/** Reads and checks a config file: TypeScript, JavaScript, TOML or JSON. */
export const configFromFile = async (file: string): Promise<{ readonly config: KernelConfig; readonly directory: string }> => {
  const path = resolve(file)
  return { config: await promised(readConfigFile(path, run)), directory: dirname(path) }
}
