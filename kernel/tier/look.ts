// A look through a reading power, as a program asked for it: its words are checked, and bytes become text.
import * as Effect from "effect/Effect"
import type { ReadFailure, ReadingPower } from "../../protocol/power.ts"
import type { PowerOp } from "../../protocol/stdio.ts"
import { commitsMax, readBytesMax } from "../limits.ts"

const refuse = (reason: string): Effect.Effect<never, ReadFailure> => Effect.fail({ path: "", reason })

const isCount = (value: unknown, max: number): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max

export const look = (power: ReadingPower, op: PowerOp, [first, second]: ReadonlyArray<unknown>): Effect.Effect<unknown, ReadFailure> => {
  switch (op) {
    case "isGit":
      return power.isGit
    case "list":
      return power.list
    case "read":
      if (typeof first !== "string" || !isCount(second, readBytesMax)) return refuse(`read needs a path and a number of bytes up to ${readBytesMax}`)
      return Effect.map(power.read(first, second), ({ bytes, truncated }) => ({ data: Buffer.from(bytes).toString("base64"), truncated }))
    case "digest":
      return typeof first === "string" ? power.digest(first) : refuse("digest needs a path")
    case "commits":
      if ((first !== null && typeof first !== "string") || !isCount(second, commitsMax)) return refuse(`commits needs a commit or null, and a number up to ${commitsMax}`)
      return power.commits(first ?? undefined, second)
  }
}
