// The synapse wire, frame by frame: every type with exactly its fields, every refusal in its words, and what is ours beside them.
import { readFileSync } from "node:fs"
import { describe, expect, it, vi } from "vitest"
import { isAskType } from "../../../kernel/door/synapse/asks.ts"
import type { Connection } from "../../../kernel/door/synapse/connection.ts"
import { makeTape } from "../../../kernel/door/synapse/tape.ts"
import { answersOf, synapseCloses, synapseExtensions } from "../../../protocol/synapse.ts"
import type { Frame } from "../../kit/socket.ts"
import { withSynapse, type Agent } from "../../kit/synapse.ts"

const of = (type: string) => (frame: Frame): boolean => frame.type === type
const envelope = ["sender", "target", "type", "payload", "timestamp", "hub_id"]
const fieldsOf = (frame: Frame): ReadonlyArray<string> => Object.keys(frame).filter((name) => !envelope.includes(name)).sort()
const denied = ["reason_code", "task_id"]

/** What nobody but the asker was told. */
const heardBy = async (agent: Agent, type: string): Promise<ReadonlyArray<Frame>> => {
  await agent.settled()
  return agent.frames.filter(of(type))
}

describe("frames of the synapse wire", () => {
  it("[49] [50] [67] grant a claim to everybody, with what was claimed", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const at = kernel.channels.clock.now() / 1_000
      const granted = await alpha.ask("claim", { payload: " t1 ", note: "mine", ttl_seconds: 60, worktree: "w", paths: ["./src/", "src", "lib"] }, "claim_granted")
      expect(granted).toMatchObject({
        sender: "SynapseHub", target: "all", payload: "Task 't1' claimed by alpha.", task_id: "t1", owner: "alpha", note: "mine", lease_expires_at: at + 60,
        status: "claimed", worktree: "w", paths: ["src", "lib"], epoch: 1, version: 0, checkpoint: ""
      })
      expect(fieldsOf(granted)).toEqual(["checkpoint", "epoch", "lease_expires_at", "note", "owner", "paths", "status", "task_id", "version", "worktree"])
      expect(await beta.next(of("claim_granted"))).toEqual(granted)
    }))

  it("[50] [51] [68] refuse a claim to the asker alone, in the ancestor's words, with a code", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      await alpha.ask("claim", { task_id: "t1", paths: ["src"] }, "claim_granted")
      const none = await beta.ask("claim", { task_id: "  " }, "claim_denied")
      expect(none).toMatchObject({ target: "beta", payload: "Task ID is required.", reason_code: "TASK_ID_REQUIRED" })
      expect(fieldsOf(none)).toEqual(denied)
      expect(await beta.ask("claim", { task_id: "t1" }, "claim_denied")).toMatchObject({
        payload: "Task 't1' is already claimed by alpha.", task_id: "t1", reason_code: "LEASE_LIVE", holder: "alpha"
      })
      expect(await beta.ask("claim", { task_id: "t2", paths: ["src/a.ts"] }, "claim_denied")).toMatchObject({
        payload: "Task 't2' file scope conflicts with 't1' held by alpha.", task_id: "t2", reason_code: "SCOPE_CONFLICT", holder: "alpha", conflict: "t1"
      })
      expect(await heardBy(alpha, "claim_denied")).toEqual([])
    }))

  it("[52] [53] [D7] take a lease time that is none for the default, and tell no number that JSON has not", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      const alpha = await agent("alpha")
      const at = kernel.channels.clock.now() / 1_000
      const lease = async (ttl: string): Promise<number> => {
        alpha.send(`{"sender":"alpha","type":"claim","task_id":"t","ttl_seconds":${ttl}}`)
        return (await alpha.next(of("claim_granted"))).lease_expires_at - at
      }
      for (const [ttl, seconds] of [["90", 90], ['"90"', 90], ["5", 30], ["-1", 30], ['"inf"', 3_600], ['"nan"', 3_600], ['"soon"', 3_600], ["null", 3_600], ["1e999", 3_600], ["1e12", 30 * 24 * 3_600]] as const) {
        expect(await lease(ttl), ttl).toBe(seconds)
      }
    }))

  it("[71] [75] [106] refuse fields of a wrong type instead of doing without them", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const refused = async (type: string, fields: object, answer: string): Promise<Frame> => {
        const frame = await alpha.ask(type, fields, answer)
        expect(frame, JSON.stringify(fields)).toMatchObject({ reason_code: "INVALID" })
        return frame
      }
      for (const paths of ["src", { 0: "src" }, 7, [["src"]], [null]]) await refused("claim", { task_id: "t", paths }, "claim_denied")
      expect(await refused("claim", { task_id: "t", paths: "src" }, "claim_denied")).toMatchObject({ task_id: "t", payload: "Field 'paths' must be a list of strings." })
      await alpha.ask("claim", { task_id: "t" }, "claim_granted")
      for (const epoch of ["1", true, [1]]) {
        await refused("release", { task_id: "t", epoch }, "release_denied")
        await refused("handoff", { task_id: "t", to_agent: "alpha", epoch }, "handoff_denied")
        await refused("checkpoint", { task_id: "t", checkpoint: "c", epoch }, "checkpoint_denied")
        await refused("task_update", { task_id: "t", epoch }, "error")
      }
      await refused("task_update", { task_id: "t", expected_version: "0" }, "error")
      for (const offer of [{ capacity: "two" }, { meta: "x" }, { meta: [1] }]) await refused("resource_offer", { kind: "gpu", name: "g", ...offer }, "error")
      await refused("ledger_task", { task_id: "t", title: "T", depends_on: "other" }, "error")
      await alpha.settled()
    }))

  it("[73] [74] tell everybody of a release, and the asker why there is none", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const { epoch } = await alpha.ask("claim", { task_id: "t" }, "claim_granted")
      expect(await alpha.ask("release", {}, "release_denied")).toMatchObject({ payload: "Task ID is required." })
      expect(await alpha.ask("release", { task_id: "no" }, "release_denied")).toMatchObject({ payload: "Task 'no' is not currently claimed.", reason_code: "NOT_CLAIMED" })
      expect(await beta.ask("release", { task_id: "t" }, "release_denied")).toMatchObject({ payload: "Task 't' is owned by alpha, not beta.", reason_code: "NOT_OWNER" })
      const stale = await alpha.ask("release", { task_id: "t", epoch: epoch + 1 }, "release_denied")
      expect(stale).toMatchObject({ payload: `Task 't' epoch is stale (current ${epoch}).`, reason_code: "EPOCH_STALE", current: epoch })
      const released = await alpha.ask("release", { task_id: "t", epoch }, "release_granted")
      expect(released).toMatchObject({ target: "all", payload: "Task 't' released by alpha.", task_id: "t", owner: "alpha" })
      expect(fieldsOf(released)).toEqual(["owner", "task_id"])
      expect(await beta.next(of("release_granted"))).toEqual(released)
    }))

  it("[76] [77] [78] [80] tell everybody of an update; a refusal is an error to the ancestor's clients, and has its own type for ours", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      await alpha.ask("claim", { task_id: "t" }, "claim_granted")
      const updated = await alpha.ask("task_update", { id: "t", status: "working", note: "n", data_ref: " d " }, "task_updated")
      expect(updated).toMatchObject({ target: "all", payload: "Task 't' updated by alpha.", task_id: "t", owner: "alpha", status: "working", data_ref: "d", version: 1 })
      expect(fieldsOf(updated)).toEqual(["data_ref", "owner", "status", "task_id", "version"])
      expect(await beta.next(of("task_updated"))).toEqual(updated)
      expect(await alpha.ask("task_update", { task_id: "no" }, "error")).toMatchObject({ payload: "Task 'no' not found.", task_id: "no", reason_code: "TASK_NOT_FOUND" })
      expect(await beta.ask("task_update", { task_id: "t" }, "error")).toMatchObject({ payload: "Task 't' owned by alpha, not beta.", reason_code: "NOT_OWNER" })
      expect(await alpha.ask("task_update", { task_id: "t", expected_version: 7 }, "error")).toMatchObject({ payload: "Task 't' version conflict (current 1).", current: 1 })
      expect(await alpha.ask("task_update", { task_id: "t", status: "claimed" }, "error")).toMatchObject({
        payload: "Task 't' cannot transition working -> claimed.", reason_code: "TRANSITION_ILLEGAL"
      })
      expect(await alpha.ask("task_update", { task_id: "t", status: "claimed", request_id: "u1" }, "task_update_denied")).toMatchObject({
        payload: "Task 't' cannot transition working -> claimed.", reason_code: "TRANSITION_ILLEGAL", request_id: "u1"
      })
    }))

  it("[81] [82] tell a checkpoint to its owner alone", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      await alpha.ask("claim", { task_id: "t" }, "claim_granted")
      const saved = await alpha.ask("checkpoint", { task_id: "t", payload: "half way" }, "checkpoint_saved")
      expect(saved).toMatchObject({ target: "alpha", payload: "Checkpoint saved for 't' by alpha.", task_id: "t", version: 1 })
      expect(fieldsOf(saved)).toEqual(["task_id", "version"])
      expect(await beta.ask("checkpoint", { task_id: "t", checkpoint: "x" }, "checkpoint_denied")).toMatchObject({ payload: "Task 't' owned by alpha, not beta." })
      expect(await beta.ask("checkpoint", { task_id: "no", checkpoint: "x" }, "checkpoint_denied")).toMatchObject({ payload: "Task 'no' not found." })
      expect(await heardBy(beta, "checkpoint_saved")).toEqual([])
    }))

  it("[83] [84] [85] [87] tell everybody of a hand-off, behind one note of the giver", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const before = await alpha.ask("claim", { task_id: "t", paths: ["src"], worktree: "w" }, "claim_granted")
      for (const [fields, payload] of [
        [{ task_id: "t", to_agent: "nobody" }, "Handoff target 'nobody' is not online."], [{ task_id: "no", to_agent: "beta" }, "Task 'no' is not currently claimed."],
        [{ task_id: "t", to_agent: "alpha" }, "Task 't' is already owned by alpha."]
      ] as const) expect(await alpha.ask("handoff", fields, "handoff_denied")).toMatchObject({ payload, target: "alpha" })
      expect(await beta.ask("handoff", { task_id: "t", to_agent: "alpha" }, "handoff_denied")).toMatchObject({ payload: "Task 't' is owned by alpha, not beta." })
      const granted = await alpha.ask("handoff", { task_id: "t", target: "beta", note: "yours" }, "handoff_granted")
      expect(granted).toMatchObject({
        target: "all", payload: "Task 't' handed from alpha to beta.", task_id: "t", owner: "beta", previous_owner: "alpha", note: "yours", status: "claimed",
        worktree: "w", paths: ["src"], version: 0, checkpoint: ""
      })
      expect(granted.epoch).toBeGreaterThan(before.epoch)
      expect(fieldsOf(granted)).toEqual([
        "checkpoint", "epoch", "lease_expires_at", "note", "owner", "paths", "previous_owner", "status", "task_id", "version", "worktree"
      ])
      await beta.settled()
      const told = beta.frames.filter(({ type }) => type === "ledger_progress_posted" || type === "handoff_granted")
      expect(told.map(({ type }) => type)).toEqual(["ledger_progress_posted", "handoff_granted"])
      expect(told[0].note).toMatchObject({ author: "alpha", task_id: "t", kind: "note", text: "handed off to beta: yours" })
    }))

  it("[97] [98] [99] grant and refuse waits to the asker alone", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      await alpha.ask("claim", { task_id: "a", paths: ["a"] }, "claim_granted")
      await beta.ask("claim", { task_id: "b", paths: ["b"] }, "claim_granted")
      expect(await alpha.ask("wait_request", { task_id: "no" }, "wait_denied")).toMatchObject({ payload: "Task 'no' is not claimed; nothing to wait for.", task_id: "no" })
      expect(await alpha.ask("wait_request", { task_id: "a" }, "wait_denied")).toMatchObject({ payload: "You already hold 'a'." })
      const granted = await alpha.ask("wait_request", { payload: "b" }, "wait_granted")
      expect(granted).toMatchObject({ target: "alpha", payload: "Waiting for 'b' held by beta.", task_id: "b", holder: "beta", position: 1 })
      expect(await beta.ask("wait_request", { task_id: "a" }, "wait_denied")).toMatchObject({ payload: "Waiting for 'a' held by alpha would deadlock.", holder: "alpha" })
      expect(await heardBy(beta, "wait_granted")).toEqual([])
    }))

  it("[104] [105] tell everybody of an offer, by any of its names", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const offered = await alpha.ask("resource_offer", { kind: "gpu", name: "a", capacity: 2, meta: { memory: 8 } }, "resource_offered")
      expect(offered).toMatchObject({ target: "all", payload: "Resource offered by alpha", agent: "alpha", kind: "gpu", name: "a", key: "alpha:gpu:a" })
      expect(fieldsOf(offered)).toEqual(["agent", "key", "kind", "name"])
      for (const type of ["resource", "offer_resource"]) {
        expect(await alpha.ask(type, { resource_kind: "gpu", resource_name: type, capacity: 0 }, "resource_offered")).toMatchObject({ key: `alpha:gpu:${type}` })
      }
      expect(await alpha.ask("resource", { kind: "gpu" }, "error")).toMatchObject({ payload: "resource offer requires kind+name" })
      const { snapshot } = await alpha.ask("state_request", {}, "state_snapshot")
      expect(snapshot.resources).toEqual([
        { agent: "alpha", kind: "gpu", name: "a", capacity: 2, meta: { memory: 8 } }, { agent: "alpha", kind: "gpu", name: "offer_resource", capacity: 1, meta: {} },
        { agent: "alpha", kind: "gpu", name: "resource", capacity: 1, meta: {} }
      ])
    }))

  it("[107] [108] tell everybody of a card, and the manifest to the asker", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      const zeta = await agent("zeta")
      const alpha = await agent("alpha")
      const at = kernel.channels.clock.now() / 1_000
      const advertised = await zeta.ask("advertise", { description: "d", skills: ["a ", "a", ""], task_classes: ["chat"], model: "m", meta: { x: 1 } }, "capability_advertised")
      const card = { agent: "zeta", description: "d", skills: ["a"], task_classes: ["chat"], model: "m", meta: { x: 1 }, advertised_at: at }
      expect(advertised).toMatchObject({ target: "all", payload: "Capability advertised by zeta", agent: "zeta", card })
      expect(fieldsOf(advertised)).toEqual(["agent", "card"])
      await alpha.ask("advertise", {}, "capability_advertised")
      const manifest = await alpha.ask("manifest_request", {}, "manifest_snapshot")
      expect(manifest).toMatchObject({ target: "alpha", payload: "Manifest snapshot", manifest: [{ agent: "alpha", skills: [], meta: {} }, card] })
      expect(fieldsOf(manifest)).toEqual(["manifest"])
      await zeta.leave()
      await alpha.next(({ event }) => event === "left")
      expect((await alpha.ask("manifest_request", {}, "manifest_snapshot")).manifest.map((one: Frame) => one.agent)).toEqual(["alpha"])
    }))

  it("[110] [113] [115] [116] [119] tell everybody of the plan, and the board to the asker", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const at = kernel.channels.clock.now() / 1_000
      const task = {
        task_id: "t", title: "Do it", description: "all", depends_on: ["s"], status: "open", suggested_owner: "beta", created_by: "alpha", created_at: at, updated_at: at
      }
      const posted = await alpha.ask("ledger_task", { task_id: "t", title: "Do it", description: "all", depends_on: ["s", "t", "", "s"], suggested_owner: "beta" }, "ledger_task_posted")
      expect(posted).toMatchObject({ target: "all", payload: "Task 't' declared by alpha.", task })
      expect(fieldsOf(posted)).toEqual(["task"])
      expect(await beta.ask("ledger_task", { task_id: "t", title: "Do it" }, "ledger_task_posted")).toMatchObject({ payload: "Task 't' declared by alpha." })
      expect(await beta.next(({ payload }) => payload === "Task 't' re-declared by beta.")).toMatchObject({ task: { created_by: "alpha", depends_on: [] } })
      const updated = await beta.ask("ledger_task_update", { task_id: "t", status: "done" }, "ledger_task_updated")
      expect(updated).toMatchObject({ target: "all", payload: "Task 't' plan updated.", task: { status: "done" } })
      const noted = await alpha.ask("ledger_progress", { payload: "so far", kind: "blocked" }, "ledger_progress_posted")
      expect(noted).toMatchObject({ target: "all", payload: "Progress from alpha", note: { task_id: "", author: "alpha", kind: "blocked", text: "so far", posted_at: at } })
      expect(fieldsOf(noted)).toEqual(["note"])
      await alpha.ask("ledger_task", { task_id: "u", title: "U", depends_on: ["t"] }, "ledger_task_posted")
      for (const [type, fields, payload] of [
        ["ledger_task", { title: "x" }, "Task ID is required."], ["ledger_task", { task_id: "x" }, "Task title is required."],
        ["ledger_task", { task_id: "t", title: "t", depends_on: ["u"] }, "Task 't' dependencies would form a cycle."],
        ["ledger_task_update", { task_id: "no", status: "done" }, "Task 'no' is not on the board."],
        ["ledger_task_update", { task_id: "t", status: "paused" }, "Unknown ledger status 'paused'."],
        ["ledger_progress", { task_id: "t", text: "x", kind: "rumour" }, "Unknown progress kind 'rumour'."]
      ] as const) expect(await alpha.ask(type, fields, "error")).toMatchObject({ payload, target: "alpha" })
      const board = await alpha.ask("board_request", {}, "board_snapshot")
      expect(board).toMatchObject({
        target: "alpha", payload: "Board snapshot",
        board: { tasks: [{ task_id: "t" }, { task_id: "u" }], ready: ["u"], progress: [{ text: "so far" }] }
      })
      expect(fieldsOf(board)).toEqual(["board"])
      expect(await heardBy(beta, "board_snapshot")).toEqual([])
    }))

  it("[120] tell the state with every field of a claim", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      const alpha = await agent("alpha")
      const at = kernel.channels.clock.now() / 1_000
      await alpha.ask("claim", { task_id: "t", paths: ["src"] }, "claim_granted")
      const state = await alpha.ask("state_request", {}, "state_snapshot")
      expect(state.snapshot).toEqual({
        active_claims: [{
          task_id: "t", owner: "alpha", note: "", claimed_at: at, lease_expires_at: at + 3_600, status: "claimed", data_ref: "", worktree: "", paths: ["src"], epoch: 1,
          version: 0, checkpoint: ""
        }],
        agents: [{ agent: "alpha", last_seen: at }], resources: [], generated_at: at
      })
      expect(fieldsOf(state)).toEqual(["snapshot"])
    }))
})

describe("what is ours on the synapse wire", () => {
  it("[D20] [D28] echoes a request's id in whatever answers it, and tells in the welcome that it does", () =>
    withSynapse({}, async ({ agent, connect }) => {
      expect((await (await connect()).next(of("welcome"))).extensions).toEqual(synapseExtensions)
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const granted: Readonly<Record<string, object>> = {
        chat: { payload: "hi" }, claim: { task_id: "t", paths: ["src"] }, task_update: { task_id: "t", status: "working" }, checkpoint: { task_id: "t", checkpoint: "c" },
        resource_offer: { kind: "k", name: "n" }, ledger_task: { task_id: "l", title: "L" }, ledger_task_update: { task_id: "l", status: "done" },
        ledger_progress: { task_id: "l", text: "x" }, advertise: { model: "m" }, board_request: {}, manifest_request: {}, state_request: {}, who_request: {},
        history_request: {}, resume_request: { since: 0 }, release: { task_id: "t" }
      }
      for (const [type, fields] of Object.entries(granted)) {
        const { granted: answer } = answersOf[type as keyof typeof answersOf]
        alpha.say(type, { ...fields, request_id: `id-${type}` })
        const answers = await alpha.next(({ request_id: id }) => id === `id-${type}`)
        expect(answers.type, type).toBe(answer)
        await alpha.settled()
        expect(alpha.frames.filter(({ request_id: id }) => id === `id-${type}`), type).toHaveLength(1)
      }
      for (const type of ["claim", "release", "handoff", "checkpoint", "task_update", "wait_request", "ledger_task", "nonsense"]) {
        alpha.say(type, { request_id: `no-${type}` })
        expect((await alpha.next(({ request_id: id }) => id === `no-${type}`)).type, type).toMatch(/denied|error/u)
      }
      await beta.settled()
      expect(beta.frames.filter(({ request_id: id }) => typeof id === "string" && id.startsWith("id-"))).toEqual([])
      expect(beta.frames.some(of("claim_granted"))).toBe(true)
    }))

  it("[90] [96] answers a request that comes again with its key to the asker alone, as the first time", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const asked: ReadonlyArray<readonly [string, object, string]> = [
        ["claim", { task_id: "t", idem_key: "k" }, "claim_granted"], ["task_update", { task_id: "t", status: "working", idem_key: "k" }, "task_updated"],
        ["checkpoint", { task_id: "t", checkpoint: "c", idem_key: "k" }, "checkpoint_saved"], ["resource_offer", { kind: "k", name: "n", idem_key: "k" }, "resource_offered"],
        ["ledger_task", { task_id: "l", title: "L", idem_key: "k" }, "ledger_task_posted"], ["ledger_progress", { task_id: "l", text: "x", idem_key: "k" }, "ledger_progress_posted"],
        ["release", { task_id: "t", idem_key: "k" }, "release_granted"]
      ]
      for (const [type, fields, answer] of asked) {
        const first = await alpha.ask(type, fields, answer)
        const again = await alpha.ask(type, { ...fields, request_id: `again-${type}` }, answer)
        expect(again, type).toMatchObject({ ...first, target: "alpha", request_id: `again-${type}` })
        await beta.settled()
        expect(beta.frames.filter(of(answer)), type).toHaveLength(type === "checkpoint" ? 0 : 1)
      }
    }))

  it("[D26] is described by a page that names every type, refusal and close code that there is, and no other type", () => {
    const page = readFileSync(new URL("../../../docs/coordination/wire.md", import.meta.url), "utf8")
    const named = new Set([...page.matchAll(/`([^`\n]+)`/gu)].map(([, text]) => text))
    const types = [...Object.keys(answersOf), ...Object.values(answersOf).flatMap(({ denied: no, granted }) => [no, granted]), "heartbeat", "welcome", "presence_update", "notice", "resource", "offer_resource"]
    expect(types.filter((type) => !named.has(type))).toEqual([])
    expect(Object.values(synapseCloses).filter((code) => !page.includes(String(code)))).toEqual([])
    const rows = [...page.matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+)/gmu)].flatMap(([, cells = ""]) => [...cells.matchAll(/`([a-z_]+)`/gu)].map(([, type = ""]) => type))
    expect(rows.filter((type) => type !== "heartbeat" && type !== "ask" && !isAskType(type))).toEqual(["rate", "burst", "clients", "perHost"].filter((key) => rows.includes(key)))
  })

  it("takes any request as it is, and answers it as the coordinator does", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha", { notices: true })
      const beta = await agent("beta")
      alpha.say("ask", { ask: { verb: "claim", task: "t", paths: ["src"] }, request_id: "a1" })
      const answer = await alpha.next(of("answer"))
      expect(answer).toMatchObject({ target: "alpha", request_id: "a1", answer: { ok: true, renewed: false, claim: { task: "t", owner: "alpha", holder: "synapse/alpha" } } })
      expect(await beta.next(of("claim_granted"))).toMatchObject({ task_id: "t" })
      alpha.say("ask", { ask: { verb: "why", worktree: "", path: "src/a.ts" }, request_id: "a2" })
      expect((await alpha.next(({ request_id: id }) => id === "a2")).answer).toMatchObject({ ok: true, claims: [{ task: "t" }] })
      alpha.say("ask", { ask: { verb: "dance" }, request_id: "a3" })
      expect((await alpha.next(({ request_id: id }) => id === "a3")).answer).toMatchObject({ ok: false, code: "INVALID" })
      for (const ask of [undefined, "who", {}, { verb: "leave" }]) expect(await alpha.ask("ask", { ask }, "error")).toMatchObject({ reason_code: "INVALID" })
      await alpha.settled()
    }))

  it("[103] stays in line where it is asked to, and is granted in its turn", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      await alpha.ask("claim", { task_id: "t" }, "claim_granted")
      beta.say("claim", { task_id: "t", wait: true, request_id: "w" })
      await beta.settled()
      expect(beta.frames.filter(({ request_id: id }) => id === "w")).toEqual([])
      await alpha.ask("release", { task_id: "t" }, "release_granted")
      expect(await beta.next(({ request_id: id }) => id === "w")).toMatchObject({ type: "claim_granted", owner: "beta" })
    }))

  it("claims for git, and locks without files, are told as such", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const git = { branch: "feature", base: "main", auto_release_on: "commit" }
      expect(await alpha.ask("claim", { task_id: "g", git, paths: ["src"] }, "claim_granted")).toMatchObject({ git })
      expect(await alpha.ask("claim", { task_id: "h", git: { branch: "other", auto_release_on: "tomorrow" }, paths: ["lib"] }, "claim_granted")).toMatchObject({
        git: { branch: "other", auto_release_on: "manual" }
      })
      expect(await alpha.ask("claim", { task_id: "m", mutex: true }, "claim_granted")).toMatchObject({ mutex: true })
      expect(await alpha.ask("claim", { task_id: "x", git: {} }, "claim_denied")).toMatchObject({ reason_code: "INVALID" })
    }))

  it("asks on while there is no coordinator, and has its answer from the next one", () =>
    withSynapse({}, async ({ agent, kernel, restart, run }) => {
      const alpha = await agent("alpha")
      await run(kernel.undock("coordinator"))
      alpha.say("who_request", { request_id: "later" })
      await restart()
      expect(await alpha.next(({ request_id: id }) => id === "later")).toMatchObject({ type: "who_snapshot", online_agents: ["alpha"] })
    }))

  it("says that it was not answered when nobody answers for long", () =>
    withSynapse({ times: { answerMillis: 30, lookMillis: 10 } }, async ({ agent, kernel, run }) => {
      const alpha = await agent("alpha")
      await run(kernel.undock("coordinator"))
      alpha.say("claim", { task_id: "t", request_id: "never" })
      expect(await alpha.next(({ request_id: id }) => id === "never")).toMatchObject({ type: "claim_denied", reason_code: "UNAVAILABLE", task_id: "t" })
    }))

  it("[D11] says why nobody answers while the store takes no writes, and goes on when it does", () =>
    withSynapse({ times: { stoppedMillis: 30, lookMillis: 10 } }, async ({ agent, kernel, restart, run }) => {
      const alpha = await agent("alpha")
      await run(kernel.undock("coordinator"))
      const stopped = vi.spyOn(kernel.channels.store, "stopped").mockReturnValue("database or disk is full")
      alpha.say("claim", { task_id: "t", request_id: "full" })
      expect(await alpha.next(({ request_id: id }) => id === "full")).toMatchObject({
        type: "claim_denied", reason_code: "UNAVAILABLE", payload: expect.stringContaining("The store takes no writes now: database or disk is full.")
      })
      stopped.mockRestore()
      await restart()
      expect(await alpha.ask("claim", { task_id: "u" }, "claim_granted")).toMatchObject({ owner: "alpha" })
    }))

  it("[D15] makes what everybody is told once, and writes what was told together together", () => {
    const writes = new Map<string, Array<Buffer>>()
    // A tape needs of a connection that it can be written to.
    const listener = (name: string): Connection => ({ outbox: { sendWhole: (bytes: Buffer) => writes.set(name, [...writes.get(name) ?? [], bytes]) } }) as unknown as Connection // see above
    const [asker, one, two] = [listener("asker"), listener("one"), listener("two")]
    const tape = makeTape()
    for (const each of [asker, one, two]) tape.enter(each)
    for (const text of ['{"n":1}', '{"n":2}']) tape.broadcast(text)
    tape.broadcast('{"n":3}', asker, "r")
    tape.ended()
    tape.close()
    const frame = (text: string): string => `\u0081${String.fromCharCode(text.length)}${text}`
    const text = (bytes: Buffer): string => bytes.toString("latin1")
    expect(writes.get("one")!.map(text)).toEqual([['{"n":1}', '{"n":2}', '{"n":3}'].map(frame).join("")])
    expect(writes.get("two")![0]).toBe(writes.get("one")![0])
    expect(writes.get("asker")!.map(text)).toEqual([['{"n":1}', '{"n":2}'].map(frame).join(""), frame('{"n":3,"request_id":"r"}')])
  })

  it("[D16] reads no more of who asks faster than it is answered, and loses nothing of it", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const count = 1_000
      for (let at = 0; at < count; at++) alpha.say("claim", { task_id: `t${at % 7}`, paths: [`p${at % 7}`], request_id: `r${at}` })
      await alpha.next(({ request_id: id }) => id === `r${count - 1}`)
      expect(new Set(alpha.frames.filter(of("claim_granted")).map(({ request_id: id }) => id)).size).toBe(count)
    }))
})
