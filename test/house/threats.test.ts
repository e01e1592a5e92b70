// The threat table: every attack of the threat model has a row, and every row names tests that are there.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))
const textOf = (file: string): string => readFileSync(join(root, file), "utf8")

interface Row {
  readonly attack: string
  readonly tests: ReadonlyArray<{ readonly file: string; readonly titles: ReadonlyArray<string> }>
}

const [, below = ""] = textOf("docs/security.md").split("## Threats and the tests that cover them\n")
const rows: ReadonlyArray<Row> = (below.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| attack")).map((line) => {
  const [attack = "", , tests = ""] = line.split("|").slice(1, -1).map((cell) => cell.trim())
  return {
    attack,
    tests: [...tests.matchAll(/`(test\/[^`]+)`(?:: ((?:(?!; `|, `).)+))?/gu)].map(([, file = "", titles = ""]) => ({ file, titles: titles === "" ? [] : titles.split("; ") }))
  }
})

/** Titles of its tests, and of what they are grouped by, with their sentences as they are written. */
const titlesIn = (file: string): string =>
  [...textOf(file).matchAll(/(?:"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)/gu)].map(([text]) => text.slice(1, -1).replaceAll("\\\"", "\"")).join("\n")

/** The threat model, as words that only the row of that attack has. */
const attacks: Readonly<Record<string, RegExp>> = {
  "another identity in the payload": /a payload says it is somebody else/u,
  "a stolen token": /a stolen capability token/u,
  "a replayed request": /a request that was seen is sent again/u,
  "a body that is swapped after approval": /arguments changed after approval/u,
  "a delegate that widens or extends": /a delegate widens what it was given, outlives it/u,
  "no algorithm, HS256, crit, a key of its own, confused types": /a forged capability token: no algorithm, HS256, `crit`, a key of its own, another type/u,
  "a respelled token": /a token in another spelling/u,
  "a budget that is split, or raced for": /a budget split over many grants or systems, or raced for/u,
  "paths that lead out": /`\.\.`, absolute, NUL/u,
  "prototypes in arguments": /`__proto__`, inherited properties/u,
  "a confused deputy": /confused deputy/u,
  "an understated risk": /an understated risk/u,
  "an engine that passes over what fails": /a `forbid` that fails and is passed over/u,
  "a revoked action that still runs": /a revoked system goes on/u,
  "a handed-over claim": /a claim is handed over while a call under it is on its way/u,
  "a clock that is set back": /a clock set back or forward/u,
  "a store that is rolled back or edited": /a cut, edited, swapped, removed or replaced journal/u
}

describe("the threat table", () => {
  it("has a row for every attack of the threat model", () => {
    const missing = Object.entries(attacks).filter(([, words]) => rows.filter(({ attack }) => words.test(attack)).length !== 1)
    expect(missing.map(([attack]) => attack)).toEqual([])
    expect(rows.length).toBeGreaterThan(90)
  })

  it("names tests in every row, by titles that are there", () => {
    const wrong = rows.flatMap(({ attack, tests }) =>
      tests.length === 0
        ? [`${attack}: no test`]
        : tests.flatMap(({ file, titles }) => {
          if (!existsSync(join(root, file))) return [`${attack}: ${file} is not there`]
          if (titles.length === 0) return [`${attack}: no title of ${file}`]
          const there = titlesIn(file)
          return titles.filter((title) => !there.includes(title)).map((title) => `${attack}: ${file} has no "${title}"`)
        }))
    expect(wrong).toEqual([])
  })

  it("leads to every page of authority", () => {
    expect(["approvals", "budgets", "capabilities", "evidence", "executors", "isolation", "labels", "models", "policy", "secrets", "tokens"]
      .filter((page) => !textOf("docs/security.md").includes(`(authority/${page}.md`))).toEqual([])
  })
})
