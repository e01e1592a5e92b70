// The portable store of a handler: what it would have to hold as a whole is bounded.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { Guest } from "../../../kernel/door/guest.ts"
import { storeOf } from "../../../kernel/door/sssn/store.ts"
import { artifactBytesMax } from "../../../kernel/limits.ts"
import type { Resources } from "../../../kernel/resource/resources.ts"

describe("an artifact that a handler reads", () => {
  it("is refused before any of it is read when it is too large to be held", async () => {
    let isOpened = false
    // Nothing else of the resources is asked for.
    const resources = {
      artifacts: {
        get: () => Effect.succeed({ sizeBytes: artifactBytesMax + 1 }),
        open: () => Effect.sync(() => void (isOpened = true))
      }
    } as unknown as Resources
    await expect(storeOf(resources, {} as Guest).readArtifact("a")).rejects.toMatchObject({ _tag: "TooLarge", size: artifactBytesMax + 1, sizeMax: artifactBytesMax })
    expect(isOpened).toBe(false)
  })
})
