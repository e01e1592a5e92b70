// A kernel that does nothing but keep events and remember what it was asked: for the tests of doors and the command line.
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { ChannelsService } from "../../kernel/channel/channels.ts"
import { makeClock } from "../../kernel/clock.ts"
import type { Kernel } from "../../kernel/kernel.ts"
import * as Resources from "../../kernel/resource/resources.ts"
import { prepare } from "../../kernel/store/codec.ts"
import * as Memory from "../../kernel/store/memory.ts"
import { channelOf } from "../../protocol/channel.ts"
import { BudgetNotFound, ChannelNotFound, Denied, GrantNotFound, EnrolmentNotFound, TokenNotFound, WarrantNotFound, StandingNotFound } from "../../protocol/errors.ts"
import { emptyManifest, type Manifest } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import type { GateView, SystemView } from "../../protocol/view.ts"
import { actionGate, capabilityRequest, kernelReplies } from "../../protocol/well-known.ts"

export interface FakeKernel extends Kernel {
  /** Verbs that were asked for, such as `pause echo`. */
  readonly asked: ReadonlyArray<string>
  readonly gateRequests: Map<string, GateView>
}

const unused = (what: string) => () => Effect.die(`the fake kernel has no ${what}`)

export const gateView = (id: string, over: Partial<GateView> = {}): GateView => ({
  id, requestCursor: 1, state: "escalated", system: "terminal", action: "process.run", executor: "process.run", target: "echo",
  risk: "irreversible", recovery: "none", grant: "g", digest: "0".repeat(64), payloadArtifact: null, rule: "granted", reason: "asks a human",
  attempt: 0, kernelEpoch: 0, requestedAt: 1, expiresAt: null, approvedBy: null, payload: { argv: ["hi"] }, result: null,
  verdict: "asks a human", answer: null, reconciled: null, ...over
})

export const makeFakeKernel = (options: {
  /** What the gate says to an action, by executor; none: it is escalated. */
  readonly verdict?: (executor: string) => { readonly kind: string; readonly payload: unknown }
} = {}): Effect.Effect<FakeKernel, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = makeClock()
    const store = yield* Memory.make({ clock })
    const asked: Array<string> = []
    const gateRequests = new Map<string, GateView>()
    const down = Latch.makeUnsafe(false)
    const systems = new Map<string, SystemView>()
    const open = (name: string): Effect.Effect<void> =>
      Effect.orDie(store.putChannel(channelOf({ name, durability: "memory", indexes: ["correlationId"] }, "fake")))
    for (const name of ["repo.files", "repo.facts", "other", kernelReplies, actionGate, capabilityRequest]) yield* open(name)

    const append: ChannelsService["append"] = (sender, channel, drafts, appendOptions) => {
      const found = store.channels().find(({ name }) => name === channel)
      if (found === undefined) return Effect.fail(new ChannelNotFound({ channel }))
      return store.append(channel, drafts.map((draft) => prepare(draft, sender, found)), { sender, ...appendOptions })
    }
    const awaitBeyond: ChannelsService["awaitBeyond"] = (channel, after) =>
      Effect.callback((resume) => {
        const head = (): number => store.statisticsOf(channel)?.head ?? 0
        if (head() > after) return resume(Effect.succeed(head()))
        const stop = store.onCommit((name) => {
          if (name !== channel || head() <= after) return
          stop()
          resume(Effect.succeed(head()))
        })
        return Effect.sync(stop)
      })
    const read: ChannelsService["read"] = (_reader, channel, readOptions = {}) =>
      store.read(channel, { after: readOptions.after ?? 0, limit: readOptions.limit ?? 100, filter: readOptions.filter })

    const channels: ChannelsService = {
      store, clock, append, awaitBeyond, read, texts: () => Effect.succeed(undefined),
      open: (channel) => store.putChannel(channel), get: (name) => store.channels().find((channel) => channel.name === name), all: () => store.channels(),
      appendSurely: unused("appendSurely"), take: unused("take"), settle: unused("settle"), renew: unused("renew"), release: unused("release"),
      backlog: unused("backlog"), settledFloor: () => 0, event: unused("event"), evict: unused("evict"), clear: unused("clear"), remove: unused("remove"),
      beginTake: () => undefined, beginSettle: () => undefined, appendNow: () => undefined, follow: () => () => {}, dismiss: () => undefined
    }

    const reply = (recipient: string, correlationId: string, kind: string, payload: unknown): Effect.Effect<void> =>
      Effect.orDie(Effect.asVoid(append("aaax", kernelReplies, [{ kind, payload, recipient, correlationId }])))

    const portOf = (system: string): Port => ({
      system,
      channels: Effect.succeed([]),
      append: (channel, drafts, appendOptions) =>
        Effect.tap(append(system, channel, drafts, appendOptions), ([first]) => {
          if (channel === capabilityRequest) return reply(system, first!.id, "capability_grant", { token: "token", resource: "x" })
          if (channel !== actionGate) return Effect.void
          const { executor } = drafts[0]!.payload as { executor: string }
          const verdict = options.verdict?.(executor) ?? { kind: "action_escalated", payload: { reason: "asks a human", escalated_to: "human" } }
          if (verdict.kind === "action_escalated") gateRequests.set(first!.id, gateView(first!.id, { executor }))
          return reply(system, first!.id, verdict.kind, verdict.payload)
        }),
      read: (channel, readOptions) => read(system, channel, readOptions),
      awaitBeyond: (channel, after) => awaitBeyond(channel, after), event: unused("event"), evict: unused("evict"), clear: unused("clear"),
      remove: unused("remove"), take: unused("take"), settle: unused("settle"), renew: unused("renew"), backlog: unused("backlog"), subscription: unused("subscription"),
      advance: unused("advance"), getSnapshot: unused("getSnapshot"), putSnapshot: unused("putSnapshot"), putArtifact: unused("putArtifact"),
      getArtifact: unused("getArtifact"), powers: []
    })

    const ask = (verb: string) => (id: string) => Effect.sync(() => void asked.push(`${verb} ${id}`))
    const warrant = (id: string): Effect.Effect<GateView, WarrantNotFound> => {
      const found = gateRequests.get(id)
      return found === undefined ? Effect.fail(new WarrantNotFound({ warrant: id })) : Effect.succeed(found)
    }
    const answer = (id: string, by: string, over: Partial<GateView>, kind: string) =>
      Effect.gen(function*() {
        const found = yield* warrant(id)
        if (found.system === by) return yield* new Denied({ system: by, operation: "answer", target: id, reason: "it asked itself" })
        const next = { ...found, ...over }
        gateRequests.set(id, next)
        yield* reply(found.system, id, kind, { request_id: id, by })
        return next
      })

    const dock = (system: { readonly manifest: Manifest }) =>
      Effect.sync(() => {
        const { id } = system.manifest
        systems.set(id, {
          id, status: "docked", module: null, framework: system.manifest.framework, description: system.manifest.description, privileged: false,
          reads: [], writes: [], takes: [], provides: [], executors: system.manifest.executors, powers: [], grants: 0, restarts: 0,
          lastError: null, dockedAt: clock.now()
        })
        return { id, port: portOf(id) }
      })

    const resources = yield* Effect.orDie(Resources.make(channels))
    return {
      id: "aaax-main", name: "Fake", channels, resources, asked, gateRequests,
      dock,
      dockGuest: (id) => dock({ manifest: emptyManifest(id, "door") }),
      dockSeat: (id) => Effect.sync(() => ({ id, port: portOf(id), leave: Effect.sync(() => void systems.delete(id)) })),
      isTaken: (name) => systems.has(name),
      guest: (id) => (systems.has(id) ? { id, port: portOf(id) } : undefined),
      securityOf: () => undefined,
      converterOf: () => undefined,
      securities: () => [],
      tokens: {
        mint: () => Effect.die("a fake mints no tokens"), list: () => [], revoke: (token) => Effect.fail(new TokenNotFound({ token })),
        verify: () => Effect.succeed(undefined), isLive: () => false, ready: Effect.void, onRevoked: () => () => {}
      },
      edge: {
        enrol: () => Effect.die("a fake enrolls no keys"), list: () => [], show: (system) => Effect.fail(new EnrolmentNotFound({ system })),
        revoke: (system) => Effect.fail(new EnrolmentNotFound({ system })), has: () => false, isLive: () => false, mint: () => Effect.die("a fake signs no tokens"),
        rotate: Effect.succeed([]), keys: () => [], nonce: "", read: () => ({ refused: "" }), hashOf: () => "", hashOfText: () => "", onRevoked: () => () => {}
      },
      undock: ask("undock"), pause: ask("pause"), resume: ask("resume"), drain: ask("drain"), revoke: ask("revoke"),
      gate: {
        list: () => Effect.sync(() => [...gateRequests.values()]),
        show: (id) => Effect.map(warrant(id), (found) => ({
          ...found, canonical: null, grants: [], endorsements: [], edits: [], attempts: [], endedAt: null, request: null, more: [], journal: []
        })),
        approve: (id, by, approval) =>
          Effect.flatMap(warrant(id), (found) =>
            approval?.digest !== undefined && approval.digest !== found.digest
              ? Effect.fail(new Denied({ system: by, operation: "approve", target: id, reason: "the digest is another" }))
              : answer(id, by, { state: "succeeded", approvedBy: by }, "action_completed")),
        deny: (id, by, reason) => answer(id, by, { state: "refused", reason }, "action_denied"),
        edit: (id) => Effect.fail(new WarrantNotFound({ warrant: id })),
        answerAll: () => Effect.succeed([]),
        vouch: () => Effect.void,
        preview: (id) => Effect.fail(new WarrantNotFound({ warrant: id })),
        standing: () => [],
        revokeStanding: (standing) => Effect.fail(new StandingNotFound({ standing })),
        why: (asked) => Effect.succeed({ asked, as: "path", because: [], effects: [], warrant: null, cut: false }),
        compensate: (id) => Effect.fail(new WarrantNotFound({ warrant: id })),
        reconcile: (id, by, outcome, reason) => answer(id, by, { state: outcome, reason }, "action_completed")
      },
      catalog: { executors: () => [], secrets: () => [] },
      budgets: {
        list: () => [], show: (budget) => Effect.fail(new BudgetNotFound({ budget })), end: (budget) => Effect.fail(new BudgetNotFound({ budget })),
        set: () => Effect.die("the fake kernel has no budgets")
      },
      policies: {
        view: Effect.die("a fake has no policy"), log: Effect.succeed([]), check: () => Effect.die("a fake has no policy"),
        activate: () => Effect.die("a fake has no policy"), revert: () => Effect.die("a fake has no policy"),
        explainRequest: (request) => Effect.fail(new WarrantNotFound({ warrant: request })), explain: () => Effect.die("a fake has no policy"),
        freeze: () => Effect.succeed(false), thaw: () => Effect.succeed(false), frozen: () => null, notes: () => []
      },
      grants: {
        issue: () => Effect.die("a fake grants nothing"), delegate: () => Effect.die("a fake grants nothing"), list: () => [],
        show: (id) => Effect.fail(new GrantNotFound({ grant: id })), revoke: (id) => Effect.fail(new GrantNotFound({ grant: id })) },
      modules: () => [{ id: "echo", framework: "esm", file: null, digest: null, origin: "config", status: "running" }],
      loadModule: ({ id, file }) =>
        Effect.succeed({ id: id ?? "loaded", framework: "esm", file: file ?? null, digest: null, origin: "runtime", status: "running" }),
      approveModule: (id) => Effect.succeed({ id, framework: "esm", file: null, digest: null, origin: "runtime", status: "running" }),
      systems: () => [...systems.values()],
      views: Effect.sync(() => store.channels().map((channel) => ({ ...channel, ...store.statisticsOf(channel.name)!, backlog: null }))),
      status: () => ({
        id: "aaax-main", name: "Fake", version: "0", pid: process.pid, boot: 1, startedAt: 1, now: clock.now(), directory: "/", policy: "granted", policyNotes: [], frozen: null,
        store: { ...store.statistics(), stopped: null }, systems: systems.size, grants: 0, waiting: 0, unknown: 0, journalHead: 0, clockJump: null
      }),
      audit: () => Effect.succeed([]),
      verifyAudit: Effect.succeed({ ok: true, entries: 0, chainHead: "", firstCursor: 0, head: 0, problems: [] }),
      evidence: {
        verify: Effect.succeed({ ok: true, entries: 0, chainHead: "", firstCursor: 0, head: 0, problems: [] }), view: () => undefined,
        checkpoints: Effect.succeed({ key: null, where: null, checkpoints: [] }), receipts: (id) => Effect.fail(new WarrantNotFound({ warrant: id }))
      },
      confirmClock: Effect.succeed(undefined),
      step: Effect.void,
      awaitDown: down.await,
      down: Effect.asVoid(down.open)
    }
  })
