// Claims that name no worktree are about the folder that the kernel works on: the coordinator is told which one that is.
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { coordination } from "aaax"
import { makeCoordination } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "aaax-folder-")))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describe("a claim without a worktree", () => {
  effect("is held against claims of the folder's own path, from the first one on and when another coordinator comes", () => Effect.gen(function*() {
    const root = yield* folder
    mkdirSync(join(root, "repo"))
    symlinkSync(join(root, "repo"), join(root, "link"))
    // What it really is counts, not how it was called.
    const { kernel, seat } = yield* makeCoordination({ directory: join(root, "link") })
    const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
    yield* ann.get({ verb: "claim", task: "a", paths: ["src"] })
    const wanted = { verb: "claim", task: "b", worktree: `${root}//repo/`, paths: ["src/x"] } as const
    expect(yield* bob.ask(wanted)).toMatchObject({ ok: false, code: "SCOPE_CONFLICT", conflict: "a" })
    expect(yield* bob.ask({ ...wanted, worktree: join(root, "elsewhere") })).toMatchObject({ ok: true })
    yield* kernel.undock("coordinator")
    yield* kernel.dock(coordinator(), { configured: true })
    yield* bob.get({ verb: "release", task: "b" })
    expect(yield* bob.ask(wanted)).toMatchObject({ ok: false, code: "SCOPE_CONFLICT", conflict: "a" })
    yield* ann.get({ verb: "release", task: "a" })
    yield* bob.get(wanted)
    expect(yield* ann.ask({ verb: "claim", task: "a", paths: ["src"] })).toMatchObject({ ok: false, code: "SCOPE_CONFLICT", conflict: "b" })
  }))

  effect("is still about it when the log was read again, because somebody else wrote there", () => Effect.gen(function*() {
    const root = yield* folder
    const { kernel, seat } = yield* makeCoordination({ directory: root })
    const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
    yield* ann.get({ verb: "claim", task: "a", paths: ["src"] })
    yield* kernel.channels.append("coordinator", coordination.ledger, [{ kind: "released", payload: { task: "x", owner: "ann", epoch: 1 } }])
    expect(yield* ann.ask({ verb: "claim", task: "u", paths: ["lib"] })).toMatchObject({ ok: false, code: "UNAVAILABLE" })
    expect(yield* bob.ask({ verb: "claim", task: "b", worktree: root, paths: ["src"] })).toMatchObject({ code: "SCOPE_CONFLICT", conflict: "a" })
  }))

  effect("is about no folder at a hub, which works in none", () => Effect.gen(function*() {
    const root = yield* folder
    const { seat } = yield* makeCoordination({ directory: root, coordinator: { anywhere: true } })
    const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
    yield* ann.get({ verb: "claim", task: "a", paths: ["src"] })
    yield* bob.get({ verb: "claim", task: "b", worktree: root, paths: ["src"] })
    expect(yield* bob.ask({ verb: "claim", task: "c", paths: ["src"] })).toMatchObject({ code: "SCOPE_CONFLICT", conflict: "a" })
  }))

  effect("is about a folder of which the coordinator is told once, before anything is asked", () => Effect.gen(function*() {
    const { events, seat } = yield* makeCoordination({ directory: yield* folder })
    const ann = yield* seat("ann")
    yield* ann.get({ verb: "claim", task: "a" })
    expect((yield* events(coordination.underWay)).map(({ kind, subject }) => `${kind} ${subject}`)).toEqual(["folder folder"])
  }))
})
