// Composites: a system and those it owns are docked, judged and undocked as one, each with a port of its own.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, expect } from "vitest"
import { makeKernel } from "../../../kernel/testing.ts"
import { subsystemDepthMax } from "../../../kernel/limits.ts"
import { emptyManifest, type Manifest, type System } from "../../../protocol/manifest.ts"
import { effect } from "../../kit/it.ts"

const system = (id: string, manifest: Partial<Manifest> = {}, more: Omit<System, "manifest"> = {}): System =>
  ({ manifest: { ...emptyManifest(id), ...manifest }, run: () => Effect.never, ...more })

const refusal = <A>(work: Effect.Effect<A, { readonly message: string }>) =>
  Effect.map(Effect.result(work), (result) => (Result.isFailure(result) ? result.failure.message : undefined))

const statuses = (kernel: { readonly systems: () => ReadonlyArray<{ readonly id: string; readonly status: string }> }) =>
  Object.fromEntries(kernel.systems().map(({ id, status }) => [id, status]))

describe("a composite", () => {
  effect("may be wired to what its own systems bring along, and they to what it brings", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const { port } = yield* kernel.dock(system("outer", { provides: [{ name: "down" }], reads: ["up"] }, {
        subsystems: [system("inner", { provides: [{ name: "up" }], writes: ["down"] })]
      }))
      yield* kernel.channels.append("aaax", "up", [{ payload: 1 }])
      expect((yield* port.read("up")).events).toHaveLength(1)
      expect(kernel.systems().find(({ id }) => id === "inner")).toMatchObject({ writes: expect.arrayContaining(["down", "up"]) })
      // What nobody brings is not there, for a composite as for anybody.
      expect(yield* refusal(kernel.dock(system("lone", { reads: ["elsewhere"] }, { subsystems: [] })))).toMatch(/'elsewhere' is not available/u)
    }))

  effect("leaves nothing behind when one of its systems cannot be docked", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const why = yield* refusal(kernel.dock(system("outer", { provides: [{ name: "log" }] }, {
        subsystems: [system("fine", { reads: ["log"] }), system("middle", {}, { subsystems: [system("fine")] })]
      })))
      expect(why).toMatch(/'fine' is already docked/u)
      expect(statuses(kernel)).toEqual({})
      yield* kernel.dock(system("fine"))
    }))

  effect("hands no privilege on that its systems do not ask for themselves", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ channels: [{ name: "hosts" }] })
      yield* kernel.dock(system("outer", {}, { subsystems: [system("inner")] }), { privileged: true, channels: ["hosts"] })
      const wired = (id: string) => kernel.systems().find((view) => view.id === id)
      expect(wired("outer")).toMatchObject({ privileged: true, reads: expect.arrayContaining(["hosts"]) })
      expect(wired("inner")?.privileged).toBe(false)
      expect(wired("inner")?.reads).not.toContain("hosts")
    }))

  effect("is paused, resumed, revoked and undocked with all it owns, at any depth; one of them alone by itself", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const whole = () => system("a", {}, { subsystems: [system("b", {}, { subsystems: [system("c")] }), system("d")] })
      yield* kernel.dock(whole())
      yield* kernel.pause("a")
      expect(statuses(kernel)).toEqual({ a: "paused", b: "paused", c: "paused", d: "paused" })
      yield* kernel.resume("a")
      yield* kernel.pause("c")
      expect(statuses(kernel)).toEqual({ a: "running", b: "running", c: "paused", d: "running" })
      yield* kernel.undock("d")
      yield* kernel.resume("a")
      expect(statuses(kernel)).toEqual({ a: "running", b: "running", c: "running" })
      yield* kernel.undock("a")
      expect(statuses(kernel)).toEqual({})
      yield* kernel.dock(whole())
      yield* kernel.revoke("a")
      expect(new Set(Object.values(statuses(kernel)))).toEqual(new Set(["revoked"]))
    }))

  effect("waits for what its systems have to prepare, and tells what went wrong there", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      let provides: ReadonlyArray<{ readonly name: string }> = []
      const slow: System = {
        prepare: Effect.andThen(Effect.yieldNow, Effect.sync(() => void (provides = [{ name: "late" }]))),
        get manifest() {
          return { ...emptyManifest("slow"), provides }
        },
        run: () => Effect.never
      }
      yield* kernel.dock(system("outer", {}, { subsystems: [slow] }))
      expect(kernel.channels.get("late")?.owner).toBe("slow")
      const broken = system("broken", {}, { prepare: Effect.fail(new Error("no such sensor")) })
      expect(yield* refusal(kernel.dock(system("other", {}, { subsystems: [broken] })))).toMatch(/broken could not be set up: no such sensor/u)
      const unreadable = { ...system("unreadable"), get subsystems(): ReadonlyArray<System> { throw new Error("hands off") } }
      expect(yield* refusal(kernel.dock(unreadable))).toMatch(/hands off/u)
    }))

  effect("is refused when it goes too deep, a system that is inside itself included", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const endless: System = { ...system("endless"), get subsystems(): ReadonlyArray<System> { return [endless] } }
      expect(yield* refusal(kernel.dock(endless))).toContain(`${subsystemDepthMax} deep`)
      expect(statuses(kernel)).toEqual({})
    }))

  effect("is loaded as a module only when policy allows each of its systems", () =>
    Effect.gen(function*() {
      const policy = [{
        name: "no-spies", description: "",
        decide: (question: { readonly kind: string; readonly module?: string }) =>
          question.kind === "module" && question.module === "spy" ? { outcome: "deny", reason: "no spies" } : { outcome: "allow" }
      }]
      const kernel = yield* makeKernel({ policy })
      const load = (id: string, part: string) => {
        const whole = system(id, {}, { subsystems: [system(part)] })
        return kernel.loader.load({ manifest: whole.manifest, system: whole, file: null, digest: null, channels: [], privileged: false }, "config", true)
      }
      expect(yield* refusal(load("outer", "spy"))).toMatch(/its subsystem spy: .*no spies/u)
      expect(statuses(kernel)).toEqual({})
      yield* load("outer", "clerk")
      expect(statuses(kernel)).toEqual({ outer: "running", clerk: "running" })
      // One module, of which the other is a part.
      expect(kernel.modules().map(({ id }) => id)).toEqual(["outer"])
    }))
})
