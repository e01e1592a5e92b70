import { describe, expect, it } from "vitest"
import { factsOf } from "../../modules/survey/facts.ts"
import { decodeSurvey, emptySurvey, encodeSurvey, step, summarize, type FactEvent, type PathEvent, type SurveyState } from "../../modules/survey/fold.ts"
import { languageOf } from "../../modules/survey/language.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const facts = (path: string, text: string) => factsOf(path, bytes(text))

describe("the language of a file", () => {
  it.each([
    ["src/a.ts", "", "TypeScript"], ["A.PY", "", "Python"], ["Makefile", "", "Makefile"], ["deep/Dockerfile.dev", "", "Dockerfile"],
    ["run", "#!/usr/bin/env -S python3.12 -u", "Python"], ["run", "#!/bin/bash", "Shell"], ["run", "no shebang", null], [".env", "", null],
    ["constructor", "", null], ["x.constructor", "", null], ["toString", "#!/usr/bin/env constructor", null]
  ])("%s is %s %s", (path, line, language) => {
    expect(languageOf(path, line)).toBe(language)
  })
})

describe("the facts of a file", () => {
  it("count lines as an editor does", () => {
    expect(["", "a", "a\n", "a\nb", "a\nb\n", "\n\n"].map((text) => facts("x.md", text).lines)).toEqual([0, 1, 1, 2, 2, 2])
  })

  it("list marks with their lines, of words that stand alone", () => {
    expect(facts("a.ts", "x // TODO: one\nTODOS\n/* FIXME two */\nmethodTODO\n<!-- TODO three -->").marks).toEqual([
      { line: 1, mark: "TODO", text: "one" }, { line: 3, mark: "FIXME", text: "two" }, { line: 5, mark: "TODO", text: "three" }
    ])
  })

  it("count more marks than they list", () => {
    const found = facts("a.ts", "// TODO x\n".repeat(150))
    expect([found.marks.length, found.marksTotal]).toEqual([100, 150])
  })

  it.each([
    ["a.ts", "import x from \"x\"\nimport 'y'\nexport * from './z.ts'\nconst q = require('q'), w = await import('w')", ["x", "y", "./z.ts", "q", "w"]],
    ["a.py", "import os, sys\nfrom a.b import c\nimport numpy as np", ["os", "sys", "a.b", "numpy"]],
    ["a.go", "package a\nimport \"fmt\"\nimport (\n  \"os\"\n  x \"net/http\"\n)\nvar s = \"no\"", ["fmt", "os", "net/http"]],
    ["a.rs", "use std::io;\npub use crate::x;", ["std::io", "crate::x"]],
    ["a.c", "#include <stdio.h>\n#include \"own.h\"", ["stdio.h", "own.h"]],
    ["a.md", "import x from \"x\"", []]
  ])("name the imports of %s", (path, text, imports) => {
    expect(facts(path, text).imports).toEqual(imports)
  })

  it("say what is no text", () => {
    expect(factsOf("a.txt", Buffer.from([0x61, 0, 0x62])).kind).toBe("binary")
    expect(factsOf("a.txt", Buffer.from([0x63, 0xe9])).kind).toBe("not-utf8")
  })

  it("look at a long line only so far, and end also on lines made to be slow", () => {
    expect(facts("a.ts", `${" ".repeat(5_000)}TODO`).marks).toEqual([])
    expect(facts("a.py", `import ${"a,".repeat(4_000_000)}\n`).imports).toEqual(["a"])
    expect(facts("a.ts", `import ${" ".repeat(8_000_000)}`).imports).toEqual([])
    expect(facts("a.ts", "import \n".repeat(500_000)).lines).toBe(500_000)
  })
})

const run = (told: ReadonlyArray<PathEvent | FactEvent>, from: SurveyState = emptySurvey): SurveyState =>
  told.reduce((state, event, n) => step(state, event, `e${n}`), from)
const seen = (path: string, digest: string, at: number): PathEvent => ({ is: "seen", path, digest, at })
const fact = (path: string, digest: string, text: string): FactEvent => ({ is: "facts", path, digest, facts: facts(path, text) })
const lines = (state: SurveyState): readonly [number, number, number] => {
  const { files, lines, pending } = summarize(state)
  return [files, lines, pending]
}

describe("the survey's fold", () => {
  it("counts a file when its facts have come", () => {
    expect(lines(run([seen("a", "A", 1)]))).toEqual([0, 0, 1])
    expect(lines(run([seen("a", "A", 1), fact("a", "A", "1\n")]))).toEqual([1, 1, 0])
  })

  it("ends at A when a file went from A to B and back, whichever facts come last", () => {
    const path = [seen("a", "A", 1), seen("a", "B", 2), seen("a", "A", 3)]
    expect(lines(run([...path, fact("a", "B", "1\n2\n"), fact("a", "A", "1\n")]))).toEqual([1, 1, 0])
    expect(lines(run([...path, fact("a", "A", "1\n"), fact("a", "B", "1\n2\n")]))).toEqual([1, 1, 0])
  })

  it("takes facts that were told before when a path returns to an earlier content", () => {
    const state = run([seen("a", "A", 1), fact("a", "A", "1\n"), seen("a", "B", 2), fact("a", "B", "1\n2\n"), seen("a", "A", 3)])
    expect(lines(state)).toEqual([0, 0, 1])
    expect(lines(run([fact("a", "A", "1\n")], state))).toEqual([1, 1, 0])
  })

  it("forgets what went, and is not moved by facts that come after", () => {
    expect(lines(run([seen("a", "A", 1), { is: "gone", path: "a", at: 2 }, fact("a", "A", "1\n")]))).toEqual([0, 0, 0])
  })

  it("is not changed by what was told before and comes again", () => {
    const events = [seen("a", "A", 1), fact("a", "A", "1\n"), { is: "gone", path: "a", at: 2 } as const, seen("b", "B", 3)]
    expect(lines(run([seen("a", "A", 1)], run(events)))).toEqual([0, 0, 1])
    expect(lines(run([seen("a", "A", 1), { is: "gone", path: "a", at: 2 }, seen("b", "B", 3)], run(events)))).toEqual([0, 0, 1])
  })

  it("knows a wanted content whose task was lost, until its facts come or it is not wanted any more", () => {
    const lost = run([seen("a", "A", 1), { is: "superseded", path: "a", digest: "A" }])
    expect(lost.lost).toEqual(["a"])
    expect(run([fact("a", "A", "1\n")], lost).lost).toEqual([])
    expect(run([seen("a", "B", 2)], lost).lost).toEqual([])
    expect(run([seen("a", "B", 1), { is: "superseded", path: "a", digest: "A" }]).lost).toEqual([])
  })

  it("is kept as one text", () => {
    const state = run([seen("a", "A", 1), fact("a", "A", "// TODO x\n"), seen("b", "B", 2), { is: "superseded", path: "b", digest: "B" }])
    const kept = decodeSurvey(encodeSurvey(state))!
    expect(summarize(kept)).toEqual(summarize(state))
    expect([kept.at, kept.lost]).toEqual([2, ["b"]])
    expect(decodeSurvey({})).toBeUndefined()
  })

  it("gives one summary for one state, in whichever order it came about", () => {
    const some = [seen("b.ts", "B", 1), seen("a.ts", "A", 2), seen("c.md", "C", 3)]
    const more = [fact("a.ts", "A", "import 'x'\n// FIXME a\n"), fact("b.ts", "B", "import 'x'\nimport 'y'\n"), fact("c.md", "C", "TODO c")]
    expect(summarize(run([...some, ...more.toReversed()]))).toEqual(summarize(run([...some, ...more])))
    expect(summarize(run([...some, ...more]))).toMatchObject({
      files: 3, lines: 5, kinds: { text: 3 },
      marks: { todo: 1, fixme: 1, list: [{ path: "a.ts", line: 2, mark: "FIXME", text: "a" }, { path: "c.md", line: 1, mark: "TODO", text: "c" }] },
      imports: [{ name: "x", files: 2 }, { name: "y", files: 1 }],
      top: [{ path: "a.ts", lines: 2 }, { path: "b.ts", lines: 2 }, { path: "c.md", lines: 1 }]
    })
  })
})
