// The table of what the ancestors promise: every number has a test, and the page that lists them is what the tests say.
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { behaviours, weaknesses, type Behaviour } from "../seed/sssn/behaviours.ts"
import * as wire from "../seed/synapse/behaviours.ts"

const test = fileURLToPath(new URL("..", import.meta.url))

interface Proof {
  readonly title: string
  readonly file: string
}

const files = (folder: string): ReadonlyArray<string> =>
  readdirSync(`${test}${folder}`, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort()

/** Marks such as `[12] [W3]` at the head of a title; `[12-15]` stands for each of them. */
const marked = /^\s*(?:it|effect|live|describe|test)(?:\.each\([^)]*\))?\(\s*(["'`])((?:\[[\dWXD][\d-]*\]\s*)+)((?:(?!\1).)*)\1/gmu

const numbersOf = (marks: string): ReadonlyArray<string> =>
  [...marks.matchAll(/\[([WXD]?\d+)(?:-(\d+))?\]/gu)].flatMap(([, first = "", last]) =>
    last === undefined
      ? [first]
      : Array.from({ length: Number(last) - Number(first) + 1 }, (_, at) => String(Number(first) + at)))

type Proofs = ReadonlyMap<string, ReadonlyArray<Proof>>

const proofsIn = (paths: ReadonlyArray<string>): Proofs => {
  const proofs = new Map<string, Array<Proof>>()
  for (const path of paths) {
    for (const [, , marks = "", title = ""] of readFileSync(path, "utf8").matchAll(marked)) {
      for (const number of numbersOf(marks)) {
        const list = proofs.get(number) ?? []
        list.push({ title: title.replaceAll("|", "\\|").trim(), file: `test/${path.slice(test.length)}` })
        proofs.set(number, list)
      }
    }
  }
  return proofs
}

/** The wire's numbers are its own: their tests lie in a folder of their own. */
const isWires = (path: string): boolean => path.includes("/seed/synapse/")
const proofs = proofsIn(files("").filter((path) => !isWires(path)))
const wireProofs = proofsIn(files("").filter(isWires))

const shown = (proofs: Proofs, number: string): string =>
  (proofs.get(number) ?? []).map(({ file, title }) => `${title} (\`${file}\`)`).join("<br>")

const rowsOf = (list: ReadonlyArray<Behaviour>, proofs: Proofs, heading: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let group = ""
  for (const behaviour of list) {
    if (behaviour.group !== group) {
      group = behaviour.group
      lines.push("", `${heading} ${group}`, "", "| | behaviour | test |", "|---|---|---|")
    }
    lines.push(`| ${behaviour.number} | ${behaviour.sentence.replaceAll("|", "\\|")} | ${shown(proofs, String(behaviour.number))} |`)
  }
  return lines
}

const page = (): string => {
  const lines = [
    "# What the semantic channels of the Python generations promise, and where it is shown",
    "",
    "Made from the titles of the tests: the number in brackets at the head of a title is the number here. Where a sentence says",
    "*ours*, the ancestor does something worse on purpose or by accident, and the test shows the better form."
  ]
  lines.push(...rowsOf(behaviours, proofs, "##"))
  lines.push("", "## Weaknesses that are gone", "", "| | weakness of the ancestor | test |", "|---|---|---|")
  for (const [name, sentence] of Object.entries(weaknesses)) lines.push(`| ${name} | ${sentence} | ${shown(proofs, name)} |`)
  lines.push("", "# What the synapse wire promises, and where it is shown", "", "Numbers of their own, in the titles of the tests below `test/seed/synapse`.")
  lines.push(...rowsOf(wire.behaviours, wireProofs, "##"))
  lines.push("", "## Weaknesses of its hub that are gone", "", "| | weakness of the ancestor | test |", "|---|---|---|")
  for (const [name, sentence] of Object.entries(wire.weaknesses)) lines.push(`| ${name} | ${sentence} | ${shown(wireProofs, name)} |`)
  return `${lines.join("\n")}\n`
}

describe("the ancestors' promises", () => {
  it("are numbered without a hole", () => {
    expect(behaviours.map(({ number }) => number)).toEqual(Array.from({ length: 189 }, (_, at) => at + 1))
  })

  it("have a test each", () => {
    expect(behaviours.map(({ number }) => String(number)).filter((number) => !proofs.has(number))).toEqual([])
  })

  it("have no weakness without a test that shows it gone", () => {
    expect(Object.keys(weaknesses).filter((name) => !proofs.has(name))).toEqual([])
  })

  it("of the wire are numbered without a hole, and have a test each", () => {
    expect(wire.behaviours.map(({ number }) => number)).toEqual(Array.from({ length: 150 }, (_, at) => at + 1))
    const wanted = [...wire.behaviours.map(({ number }) => String(number)), ...Object.keys(wire.weaknesses)]
    expect(Object.keys(wire.weaknesses)).toHaveLength(28)
    expect(wanted.filter((number) => !wireProofs.has(number))).toEqual([])
  })

  it("are listed on a page, as the tests say", async () => {
    await expect(page()).toMatchFileSnapshot("../../docs/conformance.md")
  })
})
