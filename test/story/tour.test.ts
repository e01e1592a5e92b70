// The tours of the README, as somebody would take them.
import { beforeAll, describe, it } from "vitest"
import { build } from "../kit/command-line.ts"
import { takeTour } from "../kit/tour.ts"

describe("a tour of the README", () => {
  beforeAll(build, 120_000)

  it("shows authority: what is parked, approved, recovered, delegated and proved", () =>
    takeTour({
      heading: "The tour",
      commands: ["aaax gate approve", "kill -9", "aaax cap delegate", "aaax cap revoke", "aaax audit export", "aaax-verify"],
      launchedIn: "tour"
    }), 180_000)
})
