// Short commands of file-driven agents, as the ancestor's normaliser takes them (synapse 0.28, section 2.10).
import { describe, expect, it } from "vitest"
import { commandKinds, commandOf } from "../../protocol/command.ts"

describe("a short command", () => {
  it.each<readonly [object, object]>([
    [{ k: "chat", p: "hello" }, { verb: "send", target: "all", payload: "hello" }],
    [{ k: "chat", payload: "hello", to: "bob" }, { verb: "send", target: "bob", payload: "hello" }],
    [{ kind: "chat", p: "hello", target: "team/*" }, { verb: "send", target: "team/*", payload: "hello" }],
    [{ k: "claim", id: "T1" }, { verb: "claim", task: "T1" }],
    [{ k: "claim", task_id: 7, note: "now" }, { verb: "claim", task: "7", note: "now" }],
    [{ kind: " Claim ", id: "T1", n: "now" }, { verb: "claim", task: "T1", note: "now" }],
    [{ k: "release", id: "T1" }, { verb: "release", task: "T1" }],
    [{ k: "who" }, { verb: "who" }],
    [{ kind: "state" }, { verb: "state" }],
    [{ k: "history" }, { verb: "history", limit: 20 }],
    [{ k: "history", n: 3 }, { verb: "history", limit: 3 }],
    [{ k: "history", limit: "all" }, { verb: "history" }],
    [{ k: "task_update", id: "T1" }, { verb: "update", task: "T1" }],
    [{ k: "task_update", id: "T1", status: "working", note: "", data_ref: "s3" }, { verb: "update", task: "T1", status: "working", note: "", dataRef: "s3" }],
    [{ k: "resource", kind: "gpu", name: "a100" }, { verb: "offer", kind: "gpu", name: "a100" }],
    [{ k: "resource_offer", kind: "gpu", name: "a100", capacity: 2, meta: { gb: 80 } }, { verb: "offer", kind: "gpu", name: "a100", capacity: 2, meta: { gb: 80 } }]
  ])("%j asks for %j", (command, ask) => {
    expect(commandOf(command)).toEqual(ask)
  })

  it("that is named in `kind` does not make its own name the kind of an offer", () => {
    expect(commandOf({ kind: "resource", resource_kind: "gpu", name: "a100" })).toEqual({ verb: "offer", kind: "gpu", name: "a100" })
    expect(commandOf({ kind: "resource", name: "a100" })).toEqual({ verb: "offer", kind: "", name: "a100" })
  })

  it.each<readonly [unknown, string]>([
    [{}, "Missing command kind."],
    [{ k: null, kind: "" }, "Missing command kind."],
    [{ k: 3 }, "Missing command kind."],
    [{ k: "dance" }, `Unsupported command kind 'dance'. Use ${commandKinds.join(", ")}.`],
    [{ k: "constructor" }, `Unsupported command kind 'constructor'. Use ${commandKinds.join(", ")}.`],
    [[], "A command is a JSON object."],
    ["claim", "A command is a JSON object."],
    [null, "A command is a JSON object."],
    [{ k: "history", n: 0 }, "Field 'limit' must be a whole number from 1, or \"all\"."],
    [{ k: "history", n: "3" }, "Field 'limit' must be a whole number from 1, or \"all\"."],
    [{ k: "claim", id: ["T1"] }, "Field 'id' must be a text."],
    [{ k: "resource", kind: "gpu", name: "a", capacity: 1.5 }, "Field 'capacity' must be a whole number."],
    [{ k: "resource", kind: "gpu", name: "a", meta: [] }, "Field 'meta' must be an object."]
  ])("%j is refused: %s", (command, sentence) => {
    expect(commandOf(command)).toBe(sentence)
  })
})
