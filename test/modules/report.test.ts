import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { report } from "../../modules/report/index.ts"
import { canonical, code, json, markdown, plain } from "../../modules/report/render.ts"
import type { Summary } from "../../modules/survey/fold.ts"
import { makeWorld, start, until } from "../kit/port-fake.ts"

const empty: Summary = {
  files: 0, pending: 0, sizeBytes: 0, lines: 0, kinds: {}, languages: [], top: [], marks: { todo: 0, fixme: 0, list: [] }, imports: []
}
const at = Date.UTC(2026, 0, 2, 3, 4, 5)

describe("a report", () => {
  it("is Markdown that a person likes to read", () => {
    expect(markdown({
      surveyedAt: at,
      survey: {
        ...empty, files: 1234, lines: 56789, sizeBytes: 3_500_000, kinds: { text: 1230, binary: 4 },
        languages: [{ language: "TypeScript", files: 1200, lines: 50000, sizeBytes: 3_000_000 }, { language: "C++", files: 30, lines: 6789, sizeBytes: 900 }],
        top: [{ path: "src/a|b.ts", lines: 4000, language: "TypeScript" }],
        marks: { todo: 2, fixme: 0, list: [{ path: "a.ts", line: 3, mark: "TODO", text: "use *this* <b>now</b>" }] },
        imports: [{ name: "node:fs", files: 12 }]
      }
    })).toBe(`# Survey

1,234 files, 56,789 lines, 3.3 MiB. Surveyed 2026-01-02 03:04:05 UTC by AAAX, written through its action gate.

## Languages

| Language | Files | Lines | Size |
| --- | ---: | ---: | ---: |
| TypeScript | 1,200 | 50,000 | 2.9 MiB |
| C\\+\\+ | 30 | 6,789 | 900 B |

## What the files are

| Kind | Files |
| --- | ---: |
| text | 1,230 |
| binary | 4 |

## Longest files

| File | Language | Lines |
| --- | --- | ---: |
| \`src/a\\|b.ts\` | TypeScript | 4,000 |

## Marks

2 TODO, 0 FIXME.

- \`a.ts:3\` **TODO** use \\*this\\* \\<b\\>now\\</b\\>

… and 1 more.

## Most imported

| Import | Files |
| --- | ---: |
| \`node:fs\` | 12 |
`)
  })

  it("of an empty folder says so", () => {
    expect(markdown({ surveyedAt: at, survey: empty })).toMatch(/^# Survey\n\n0 files, 0 lines, 0 B\./u)
  })

  it("shows the words of files as text that can be nothing else", () => {
    expect(code("a`b``c")).toBe("```a`b``c```")
    expect(code("`x`")).toBe("`` `x` ``")
    expect(code("\u001b[2J\u202Egpj.exe")).toBe("`\\u{1b}[2J\\u{202e}gpj.exe`")
    expect(code("a\nb")).toBe("`a\\u{a}b`")
    expect(code("\ud800")).toBe("`\uFFFD`")
    expect(plain("[x](javascript:y) <img>")).toBe("\\[x\\]\\(javascript\\:y\\) \\<img\\>")
  })

  it("is JSON with the survey's own fields", () => {
    const text = json({ surveyedAt: at, survey: { ...empty, files: 1, top: [{ path: "\ud800", lines: 1, language: null }] } })
    expect(text.startsWith("{\n  \"files\": 1,")).toBe(true)
    expect(JSON.parse(text)).toMatchObject({ files: 1, top: [{ path: "\uFFFD" }], surveyedAt: "2026-01-02T03:04:05.000Z" })
  })

  it("has one canonical text whatever the order of keys", () => {
    expect(canonical({ b: [1, { d: null, c: "x" }], a: undefined })).toBe("{\"b\":[1,{\"c\":\"x\",\"d\":null}]}")
    expect(canonical({ x: 1, a: 2 })).toBe(canonical({ a: 2, x: 1 }))
  })
})

describe("the reporter", () => {
  /** A world with a survey at the head of `repo.facts`, and a gate that answers as told. */
  const surveyed = async (answer: (target: string) => readonly [string, object]) => {
    const world = makeWorld()
    world.open("repo.facts")
    world.open("repo.tasks", { delivery: "exclusive" })
    const kernel = world.port("aaax")
    const answered = async (channel: string, reply: (payload: { readonly target: string; readonly resource: string }) => readonly [string, object]): Promise<void> => {
      for (let after = 0;;) {
        await Effect.runPromise(kernel.awaitBeyond(channel, after))
        const page = await Effect.runPromise(kernel.read(channel, { after }))
        after = page.next
        for (const event of page.events) {
          const [kind, payload] = reply(event.payload as { readonly target: string; readonly resource: string })
          await Effect.runPromise(kernel.append("aaax.kernel-replies", [{ kind, payload, recipient: event.sender, correlationId: event.id }]))
        }
      }
    }
    void answered("aaax.capability-request", ({ resource }) => ["capability_grant", { resource, token: "t", expires: null }])
    void answered("aaax.action-gate", ({ target }) => answer(target))
    const facts = async (files: number): Promise<void> => {
      await Effect.runPromise(kernel.append("repo.facts", [{ payload: files }]))
      await Effect.runPromise(kernel.putSnapshot({ name: "repo.survey", value: { ...empty, files }, cursor: world.events("repo.facts").length }))
    }
    const targets = (): ReadonlyArray<string> => world.events("aaax.action-gate").map((event) => (event.payload as { readonly target: string }).target)
    const system = report({ everyMillis: 1 })
    return { world, facts, targets, begin: () => start(system, world.port("report")) }
  }
  const completed = (): readonly [string, object] => ["action_completed", { result: {} }]

  it("writes both files once for each survey, also when it is started again", async () => {
    const { begin, facts, targets, world } = await surveyed(completed)
    await facts(1)
    const first = begin()
    await until(() => world.events("aaax.kernel-replies").length === 3)
    await first.stop()
    const second = begin()
    await facts(2)
    await until(() => targets().length === 4)
    await second.stop()
    const both = [".aaax/reports/survey.md", ".aaax/reports/survey.json"]
    expect(targets()).toEqual([...both, ...both])
  })

  it("waits until no task is left and every fact is taken in", async () => {
    const { begin, facts, targets, world } = await surveyed(completed)
    await Effect.runPromise(world.port("x").append("repo.tasks", [{ payload: 1 }]))
    await facts(1)
    const running = begin()
    await until(() => world.calls.filter((call) => call === "backlog repo.tasks").length >= 2)
    expect(targets()).toEqual([])
    const [taken] = await Effect.runPromise(world.port("x").take("repo.tasks"))
    await Effect.runPromise(world.port("x").settle("repo.tasks", [{ cursor: 1, epoch: taken!.epoch, outcome: "ack" }]))
    await until(() => targets().length === 2)
    await running.stop()
  })

  it("that is refused says so and goes on with the next survey", async () => {
    const { begin, facts, targets } = await surveyed(() => ["action_denied", { reason: "not today" }])
    await facts(1)
    const running = begin()
    await until(() => targets().length === 1)
    await facts(2)
    await until(() => targets().length === 2)
    expect(await Promise.race([running.ended, Promise.resolve("running")])).toBe("running")
    await running.stop()
  })
})
