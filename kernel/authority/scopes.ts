// What executors may change beside live claims: a fold of the coordinator's live scopes, by working tree, and the list of
// calls that are changing files right now, which the coordinator looks at before it says that a scope is granted.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Fence } from "../../protocol/authority.ts"
import { epochs, underWay, type Folder, type LiveScope, type ScopeRefusal, type UnderWay } from "../../protocol/coordination.ts"
import type { Event } from "../../protocol/event.ts"
import { kernelSystem, type Cursor, type SystemId } from "../../protocol/names.ts"
import { makeScopeIndex, normaliseScope, placeOf, type ScopeIndex } from "../../protocol/scope.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { pageEventsMax } from "../limits.ts"

export interface ScopesOptions {
  readonly channels: ChannelsService
  /** What claims without a working tree are about. */
  readonly directory: string
  /** Where a path really lies. Absent: where it says. */
  readonly realPath?: ((path: string) => Effect.Effect<string>) | undefined
  /** Kernel time in Unix milliseconds. */
  readonly now: () => number
}

/** A call that is about to change files. */
export interface Change {
  readonly warrant: string
  readonly system: SystemId
  /** Real and absolute; one that ends with `/` stands for everything below it. */
  readonly paths: ReadonlyArray<string>
  readonly fence: Fence | undefined
}

/** A refusal, and the same in a sentence. */
export interface Barred {
  readonly reason: string
  readonly scope: ScopeRefusal
}

export interface Scopes {
  /** Nobody coordinates here: there are no scopes to look at. */
  readonly isIdle: () => boolean
  /** Puts the call on the list, then looks: why it may not change these paths, or nothing. May be repeated with more of them. */
  readonly enter: (change: Change) => Effect.Effect<Barred | undefined>
  /** It has ended. */
  readonly leave: (warrant: string) => Effect.Effect<void>
  /** Tells a coordinator that has just come where claims are that name no worktree. */
  readonly introduce: Effect.Effect<void>
}

type Held = Exclude<LiveScope, { readonly ended: true }>

/** The claims of one working tree, as they name it. */
interface Tree {
  readonly label: string
  readonly index: ScopeIndex<Held>
  size: number
}

const isText = (value: unknown): value is string => typeof value === "string"

/** An entry as the contract has it, or nothing: what cannot be read may say anything. */
const scopeIn = ({ payload, subject }: Event): LiveScope | undefined => {
  if (typeof payload !== "object" || payload === null) return undefined
  // Each member is looked at below before it is used.
  const given = payload as Readonly<Record<string, unknown>>
  if (!isText(given["task"]) || given["task"] !== subject || !Number.isSafeInteger(given["epoch"])) return undefined
  // What was looked at: a task and an epoch.
  if (given["ended"] === true) return payload as LiveScope
  const isWhole = isText(given["owner"]) && isText(given["holder"]) && isText(given["worktree"]) && typeof given["mutex"] === "boolean" &&
    Number.isFinite(given["expiresAt"]) && (given["branch"] === undefined || isText(given["branch"])) &&
    Array.isArray(given["paths"]) && given["paths"].every(isText)
  // And here the rest.
  return isWhole ? payload as LiveScope : undefined
}

const until = (millis: number): string => `${new Date(millis).toISOString().slice(0, 16).replace("T", " ")} UTC`

const barredBy = (path: string, { epoch, expiresAt, owner, task }: Held): Barred => {
  const how = `ask ${owner} to release it or to hand it over, or wait for it: aaax claims take --wait`
  return {
    reason: `${path} is in what ${owner} has claimed (task ${task}, epoch ${epoch}, until ${until(expiresAt)}); ${how}`,
    scope: { code: "SCOPE_CONFLICT", path, task, owner, epoch, expiresAt, how }
  }
}

/** Who cannot tell lets nobody. */
export const unavailable = (what: string): Barred => {
  const how = "nothing is changed until the coordinator has written them anew; see aaax doctor"
  return { reason: `who has claimed what cannot be told: ${what}; ${how}`, scope: { code: "UNAVAILABLE", how } }
}

const wholePage = { limit: pageEventsMax } as const

export const make = ({ channels, directory, now, realPath = (path) => Effect.succeed(path) }: ScopesOptions): Scopes => {
  const trees = new Map<string, Tree>()
  const held = new Map<string, Held>()
  /** Tasks whose newest entry cannot be read. */
  const unreadable = new Set<string>()
  const calls = new Map<string, UnderWay["calls"][number]>()
  const telling = Semaphore.makeUnsafe(1)
  const home = placeOf("", directory)
  let folded: Cursor = 0

  const isIdle = (): boolean => channels.get(epochs) === undefined

  const drop = (task: string): void => {
    const scope = held.get(task)
    if (scope === undefined) return
    held.delete(task)
    const tree = trees.get(scope.worktree)
    if (tree === undefined) return
    tree.index.remove(tree.label, scope.paths, scope.holder, scope)
    if (--tree.size === 0) trees.delete(scope.worktree)
  }

  const keep = (given: Held): void => {
    const worktree = placeOf(given.worktree, directory)
    // A named lock is of no files, and a label that is no path of none here.
    if (given.mutex || (worktree !== home && !worktree.startsWith("/"))) return
    const scope: Held = { ...given, worktree, paths: normaliseScope(given.paths, worktree) }
    const tree = trees.get(scope.worktree) ?? { label: scope.worktree, index: makeScopeIndex<Held>(), size: 0 }
    trees.set(scope.worktree, tree)
    tree.index.add(tree.label, scope.paths, scope.holder, scope)
    tree.size++
    held.set(scope.task, scope)
  }

  const fold = (event: Event): void => {
    const task = event.subject ?? ""
    const scope = scopeIn(event)
    drop(task)
    unreadable.delete(task)
    if (scope === undefined) unreadable.add(task)
    else if (!("ended" in scope)) keep(scope)
  }

  /** Reads what was appended since. What is folded stays as it is when that fails. */
  const catchUp = Effect.fnUntraced(function*(): Effect.fn.Return<Barred | undefined> {
    while (folded < (channels.store.statisticsOf(epochs)?.head ?? 0)) {
      const after = folded
      const page = yield* channels.read(kernelSystem, epochs, { ...wholePage, after }).pipe(Effect.result)
      if (page._tag === "Failure") {
        // What is gone was overtaken by something newer: then all that is left is everything.
        if (page.failure._tag !== "Gap" || after === 0) return unavailable(page.failure.message)
        for (const task of held.keys()) drop(task)
        unreadable.clear()
        folded = 0
        continue
      }
      const { events, head, next } = page.success
      // Somebody else may have been quicker.
      for (const event of events) {
        if (event.cursor <= folded) continue
        fold(event)
        folded = event.cursor
      }
      folded = Math.max(folded, events.length === 0 ? Math.max(head, next) : next)
    }
    const [task] = unreadable
    return task === undefined ? undefined : unavailable(`the entry of ${task} is not one`)
  })

  /** A live scope of another holder that has this path. What has run out is nobody's. */
  const conflictIn = ({ index, label }: Tree, path: string, isFolder: boolean, system: SystemId): Held | undefined => {
    for (;;) {
      // What is there stands for itself, also where it looks like a pattern; for all below it a pattern may stand in.
      const found = index.covering(label, path).find(({ holder }) => holder !== system) ?? (isFolder ? index.firstConflict(label, [path], system) : undefined)
      if (found === undefined || found.expiresAt > now()) return found
      drop(found.task)
    }
  }

  const below = (path: string, root: string): boolean => path === root || path.startsWith(root === "/" ? root : `${root}/`)

  /** Where each tree lies: looked up each time, because a link may lead elsewhere by now. */
  const look = Effect.fnUntraced(function*(): Effect.fn.Return<ReadonlyMap<string, string>> {
    const places = new Map<string, string>()
    for (;;) {
      const [next] = [home, ...trees.keys()].filter((label) => !places.has(label))
      if (next === undefined) return places
      places.set(next, (yield* realPath(next)).normalize("NFC"))
    }
  })

  const barred = ({ paths, system }: Change, places: ReadonlyMap<string, string>): Barred | undefined => {
    const kept = `${places.get(home) ?? directory}/.aaax`
    for (const tree of trees.values()) {
      const real = places.get(tree.label)
      if (real === undefined) continue
      for (const given of paths) {
        const isFolder = given.endsWith("/")
        const path = (isFolder ? given.slice(0, -1) : given).normalize("NFC")
        // What the constellation keeps for itself is no part of what it works on; a working tree that lies in there is one of its own.
        if (path.startsWith(`${kept}/`) && !below(real, kept)) continue
        // All of the tree, when it is part of what is changed.
        const inside = below(path, real) ? path.slice(real === "/" ? 1 : real.length + 1) : isFolder && below(real, path) ? "" : undefined
        const other = inside === undefined ? undefined : conflictIn(tree, inside, isFolder, system)
        if (other !== undefined) return barredBy(inside || path, other)
      }
    }
    return undefined
  }

  /** The whole list, in order, so that the newest event is the newest list. */
  const tell = telling.withPermit(Effect.suspend(() =>
    channels.get(underWay) === undefined
      ? Effect.void
      : channels.append(kernelSystem, underWay, [{ kind: "under-way", subject: "calls", payload: { calls: [...calls.values()] } satisfies UnderWay }])))

  return {
    isIdle,
    enter: Effect.fnUntraced(function*(change) {
      const { fence, paths, system, warrant } = change
      const before = calls.get(warrant)
      const all = [...new Set([...(before?.paths ?? []), ...paths])]
      if (before === undefined || all.length > before.paths.length) {
        calls.set(warrant, { warrant, system, paths: all, ...(fence?.channel === epochs ? { task: fence.key, epoch: fence.epoch } : {}) })
        // On the list first: who publishes a scope and then looks finds it, or it finds the scope.
        const told = yield* Effect.result(tell)
        if (told._tag === "Failure") return unavailable(told.failure.message)
      }
      for (;;) {
        const unread = yield* catchUp()
        if (unread !== undefined) return unread
        const places = yield* look()
        // Decided at once, over what is folded now; a tree that came meanwhile is looked up first.
        if ([...trees.keys()].every((label) => places.has(label))) return barred(change, places)
      }
    }),
    introduce: Effect.suspend(() => Effect.flatMap(realPath(directory), (real) =>
      Effect.ignore(channels.append(kernelSystem, underWay, [{ kind: "folder", subject: "folder", payload: { directory: real } satisfies Folder }])))),
    leave: (warrant) => Effect.suspend(() => (calls.delete(warrant) ? Effect.ignore(tell) : Effect.void))
  }
}
