// What is gone when it is needed: the package that Cedar comes in, and a key that was just written.
import * as Effect from "effect/Effect"
import type * as Fs from "node:fs"
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import type * as FsPromises from "node:fs/promises"
import type * as Module from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it, vi } from "vitest"
import { effect } from "../../kit/it.ts"

vi.mock("node:module", async (importOriginal) => ({
  ...(await importOriginal<typeof Module>()),
  createRequire: () => ({
    resolve: (name: string) => {
      throw new Error(`Cannot find module ${name}`)
    }
  })
}))
const after = vi.hoisted(() => ({ link: undefined as ((to: string) => void) | undefined }))
vi.mock("node:fs", async (importOriginal) => {
  const fs = await importOriginal<typeof Fs>()
  return {
    ...fs,
    linkSync: (from: string, to: string) => {
      fs.linkSync(from, to)
      after.link?.(to)
    }
  }
})
// A system that counts no links: it says of a chain of any length that nothing is there.
vi.mock("node:fs/promises", async (importOriginal) => {
  const fs = await importOriginal<typeof FsPromises>()
  return {
    ...fs,
    realpath: (path: string) => fs.realpath(path).catch((error: unknown) => {
      throw Object.assign(new Error("not there"), { code: (error as { readonly code?: string }).code === "ELOOP" ? "ENOENT" : (error as { readonly code?: string }).code })
    })
  }
})
const { makeCedarEngine } = await import("../../../kernel/power/cedar-engine.ts")
const { loadPolicy } = await import("../../../kernel/power/policy-file.ts")
const { realPath } = await import("../../../kernel/power/place.ts")
const { keyFile } = await import("../../../kernel/power/token-key.ts")

const folder = mkdtempSync(join(tmpdir(), "aaax-missing-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a policy of Cedar files", () => {
  effect("is refused where Cedar is not installed", () =>
    Effect.gen(function*() {
      const { make } = yield* makeCedarEngine
      writeFileSync(join(folder, "p.cedar"), "permit(principal, action, resource);")
      const refused = yield* Effect.flip(loadPolicy({ cedar: { policies: "p.cedar", schema: "aaax/policy/default.cedarschema" } }, { directory: folder, file: "config", makeCedar: make }))
      expect(refused.message).toContain("the package @cedar-policy/cedar-wasm is not installed")
    }))
})

describe("a key of the kernel's", () => {
  it("that is gone again is not one that only this process knows", async () => {
    after.link = (to) => rmSync(to)
    try {
      expect(await Effect.runPromise(Effect.flip(keyFile(join(folder, "key.jwk"), "token key")))).toMatchObject({ _tag: "StoreUnavailable", reason: expect.stringContaining("is gone again") })
      expect(readdirSync(folder).filter((name) => name.startsWith("key.jwk"))).toEqual([])
    } finally {
      after.link = undefined
    }
  })
})

describe("a place", () => {
  it("that leads through link after link to nothing stays as it was said", async () => {
    for (let at = 0; at < 60; at++) symlinkSync(join(folder, `l${at + 1}`), join(folder, `l${at}`))
    expect(await Effect.runPromise(realPath(join(folder, "l55")))).toBe(join(await Effect.runPromise(realPath(folder)), "l60"))
    expect(await Effect.runPromise(realPath(join(folder, "l0")))).toBe(join(folder, "l0"))
  })
})
