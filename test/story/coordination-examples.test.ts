// The examples of coordination, as a reader would run them.
import { describe, expect, it } from "vitest"
import { main as codingAgents } from "../../examples/coding-agents/main.ts"
import { main as coordination } from "../../examples/coordination/main.ts"
import { main as llmTeam } from "../../examples/llm-team/main.ts"

describe("the examples of coordination", () => {
  it("coordination: a plan, a claim, a refused overlap and a hand-off, over the wire", async () => {
    expect(await coordination()).toEqual([
      "ARCHITECT plans; ready: schema",
      "ARCHITECT claims schema with src/schema",
      "BUILDER is refused: Task 'tables' file scope conflicts with 'schema' held by ARCHITECT.",
      "ARCHITECT finishes schema; ready: api",
      "ARCHITECT hands api to BUILDER",
      expect.stringMatching(/^BUILDER goes on from "routes are listed", epoch \d+$/u),
      "ARCHITECT is refused: Task 'api' is owned by BUILDER, not ARCHITECT.",
      "BUILDER releases api, with what it did"
    ])
  })

  it("coding agents: each writes its own files, and what lies in the other's claim is refused", async () => {
    const { files, said } = await codingAgents()
    expect(files).toEqual({ "src/api/items.ts": "export const path = \"/v2/items\"\n", "src/ui/button.ts": "fetch(\"/v2/items\")\n" })
    expect(said).toEqual([
      "backend: wrote src/api/items.ts",
      expect.stringMatching(/^frontend: .*team\/backend/u),
      "backend heard team/frontend: which path do the items have?",
      "frontend heard team/backend: /v2/items",
      "frontend: wrote src/ui/button.ts"
    ])
  })

  it("a team of models answers by how hard it is, offline", async () => {
    const answers = await llmTeam()
    const hard = "First the invariants, then the storage, then the proof."
    expect(answers.slice(0, 2)).toEqual([["team/fast", "Here."], ["team/fast", "I would begin with the tests."]])
    expect(answers.slice(2).sort()).toEqual([["team/fast", hard], ["team/reason", hard]])
  })
})
