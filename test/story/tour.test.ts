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

  it("shows coordination: what overlaps, what may be committed, and what outlives a crash", () =>
    takeTour({
      heading: "Several agents, one repository",
      commands: ["aaax claims take", "aaax git install", "git commit", "kill -9", "aaax inbox", "aaax lock"],
      launchedIn: "shop"
    }), 180_000)
})
