// The words of failures, where they are put together.
import { describe, expect, it } from "vitest"
import { Denied, StoreCorrupt, WarrantConflict } from "../../protocol/errors.ts"

describe("the message of a failure", () => {
  it("ends once, whether its reason is a sentence or the end of one", () => {
    for (const reason of ["it is closed", "it is closed."]) {
      expect(new Denied({ system: "a", operation: "b", target: "c", reason, how: "Ask." }).message).toBe("a may not b c: it is closed. Ask.")
      expect(new StoreCorrupt({ where: "x", reason }).message).toBe("The store is damaged at x: it is closed.")
      expect(new WarrantConflict({ warrant: "w", reason }).message).toBe("w: it is closed.")
    }
  })
})
