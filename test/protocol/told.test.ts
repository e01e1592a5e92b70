// What everybody is told, entry by entry: the whole frame of each kind, with the names and the sentences of the wire.
import { describe, expect, it } from "vitest"
import type { Card, Chat, Claim, LedgerEntries, Note, Offer, PlanTask, PresenceEntries, TalkEntries } from "../../protocol/coordination.ts"
import { chatOf, claimOf, offerOf } from "../../protocol/synapse/records.ts"
import { framesOf, makeRoster } from "../../protocol/synapse.ts"
import { foldRoster } from "../../protocol/synapse/roster.ts"

const claim: Claim = {
  task: "api", owner: "ada", holder: "synapse/ada", note: "mine", status: "working", dataRef: "ref", worktree: "/repo", paths: ["src"], claimedAt: 1_500, expiresAt: 61_500,
  epoch: 7, version: 2, checkpoint: "half"
}
const note: Note = { task: "api", author: "ada", kind: "note", text: "handed off to bob", at: 1_250 }
const plan: PlanTask = {
  task: "plan", title: "Plan it", description: "all", dependsOn: ["api"], status: "open", suggestedOwner: "bob", createdBy: "ada", createdAt: 1_000, updatedAt: 2_500, version: 3
}
const offer: Offer = { seat: "ada", kind: "gpu", name: "a100", capacity: 2, meta: { a: 1 }, at: 1_000 }
const card: Card = { seat: "ada", description: "d", skills: ["s"], taskClasses: ["chat"], model: "m", meta: { b: 2 }, at: 1_750 }
const chat: Chat = { message: 9, from: "ada", target: "bob", payload: "hello", at: 2_250 }

const envelope = { sender: "SynapseHub", target: "all", timestamp: 3.5, hub_id: "syn-1" }
const granted = {
  task_id: "api", owner: "ada", note: "mine", lease_expires_at: 61.5, status: "working", worktree: "/repo", paths: ["src"], epoch: 7, version: 2, checkpoint: "half"
}
const task = {
  task_id: "plan", title: "Plan it", description: "all", depends_on: ["api"], status: "open", suggested_owner: "bob", created_by: "ada", created_at: 1, updated_at: 2.5, version: 3
}
const noteFrame = {
  ...envelope, type: "ledger_progress_posted", payload: "Progress from ada",
  note: { task_id: "api", author: "ada", kind: "note", text: "handed off to bob", posted_at: 1.25 }
}

const told = (kind: string, payload: unknown, online: ReadonlyArray<string> = []): ReadonlyArray<object> => framesOf({ kind, payload, recordedAt: 3_500 }, "syn-1", () => online)

/** Every kind of entry that is told. What a record has besides, its system above all, is nowhere in it. */
const ledger: { readonly [K in keyof LedgerEntries]?: readonly [LedgerEntries[K], ReadonlyArray<object>] } = {
  claimed: [{ claim, renewed: false, applied: { seat: "ada", verb: "claim", key: "k", digest: "d" } }, [
    { ...envelope, type: "claim_granted", payload: "Task 'api' claimed by ada.", ...granted }
  ]],
  released: [{ task: "api", owner: "ada", epoch: 7 }, [{ ...envelope, type: "release_granted", payload: "Task 'api' released by ada.", task_id: "api", owner: "ada" }]],
  updated: [{ claim }, [
    { ...envelope, type: "task_updated", payload: "Task 'api' updated by ada.", task_id: "api", owner: "ada", status: "working", data_ref: "ref", version: 2 }
  ]],
  handed: [{ claim: { ...claim, owner: "bob" }, previousOwner: "ada", note }, [
    noteFrame,
    { ...envelope, type: "handoff_granted", payload: "Task 'api' handed from ada to bob.", ...granted, owner: "bob", previous_owner: "ada" }
  ]],
  declared: [{ task: plan, again: false, by: "ada" }, [{ ...envelope, type: "ledger_task_posted", payload: "Task 'plan' declared by ada.", task }]],
  planned: [{ task: plan, by: "ada" }, [{ ...envelope, type: "ledger_task_updated", payload: "Task 'plan' plan updated.", task }]],
  expired: [{ task: "api", owner: "ada", epoch: 7, checkpoint: "" }, []],
  checkpointed: [{ claim }, []],
  state: [{ part: 1, parts: 1, text: "{}" }, []]
}
const talk: { readonly [K in keyof TalkEntries]: readonly [TalkEntries[K], ReadonlyArray<object>] } = {
  chat: [{ chat, to: ["bob"] }, [
    { sender: "ada", target: "bob", type: "chat", payload: "hello", timestamp: 2.25, hub_id: "syn-1", msg_id: 9 }
  ]],
  progress: [{ note }, [noteFrame]],
  offered: [{ offer }, [{ ...envelope, type: "resource_offered", payload: "Resource offered by ada", agent: "ada", kind: "gpu", name: "a100", key: "ada:gpu:a100" }]],
  acknowledged: [{ seat: "bob", message: 9, state: "read" }, []]
}
const presence: { readonly [K in keyof PresenceEntries]: readonly [PresenceEntries[K], ReadonlyArray<object>] } = {
  joined: [{ seat: "bob" }, [{ ...envelope, type: "presence_update", payload: "Presence update", online_agents: ["ada", "bob"], event: "joined", agent: "bob" }]],
  left: [{ seat: "cy" }, [{ ...envelope, type: "presence_update", payload: "Presence update", online_agents: ["ada", "bob"], event: "left", agent: "cy" }]],
  advertised: [{ card }, [{
    ...envelope, type: "capability_advertised", payload: "Capability advertised by ada", agent: "ada",
    card: { agent: "ada", description: "d", skills: ["s"], task_classes: ["chat"], model: "m", meta: { b: 2 }, advertised_at: 1.75 }
  }]],
  withdrawn: [{ seat: "cy" }, []]
}

describe("what everybody is told", () => {
  for (const [kind, [entry, frames]] of Object.entries({ ...ledger, ...talk, ...presence })) {
    it(`of ${kind} is ${frames.map((frame) => (frame as { readonly type: string }).type).join(" and ") || "nothing"}, with exactly its fields`, () => {
      expect(told(kind, entry, ["ada", "bob"])).toStrictEqual(frames)
    })
  }

  it("says of a second declaration that it is one, and of a release what it came with", () => {
    expect(told("declared", { task: plan, again: true, by: "bob" })).toMatchObject([{ payload: "Task 'plan' re-declared by bob." }])
    expect(told("released", { task: "api", owner: "ada", epoch: 7, receipt: { tests: "green" } })).toMatchObject([{ receipt: { tests: "green" } }])
  })

  it("has what is ours of a claim beside the ancestor's fields", () => {
    const ours = { ...claim, mutex: true, git: { branch: "main", base: "dev", releaseOn: "commit" as const } }
    const wire = { mutex: true, git: { branch: "main", base: "dev", auto_release_on: "commit" } }
    expect(told("claimed", { claim: ours, renewed: true })).toMatchObject([wire])
    expect(told("handed", { claim: ours, previousOwner: "ada", note })[1]).toMatchObject(wire)
    expect(claimOf(ours)).toStrictEqual({ ...granted, ...wire, claimed_at: 1.5, data_ref: "ref" })
    expect(claimOf({ ...ours, git: { branch: "main", releaseOn: "manual" } }).git).toStrictEqual({ branch: "main", auto_release_on: "manual" })
  })

  it("has of a message what its sender gave, and of an offer what was offered", () => {
    expect(chatOf("h", { ...chat, priority: true, clientTimestamp: 1.125, clientMessage: "mine", receipt: true })).toStrictEqual({
      sender: "ada", target: "bob", type: "chat", payload: "hello", timestamp: 2.25, hub_id: "h", msg_id: 9, priority: true, client_timestamp: 1.125, client_msg_id: "mine", receipt_requested: true
    })
    expect(offerOf(offer)).toStrictEqual({ agent: "ada", kind: "gpu", name: "a100", capacity: 2, meta: { a: 1 } })
  })

  it("is nothing for a kind that is none, whatever it is called", () => {
    for (const kind of ["constructor", "__proto__", "toString", ""]) expect(told(kind, {})).toEqual([])
  })

  it("has a roster that is sorted, and in which everybody is once", () => {
    const roster = makeRoster()
    for (const seat of ["cy", "ada", "bob", "ada"]) foldRoster(roster, "joined", { seat })
    expect(roster.online()).toEqual(["ada", "bob", "cy"])
    foldRoster(roster, "left", { seat: "bob" })
    foldRoster(roster, "left", { seat: "nobody" })
    foldRoster(roster, "withdrawn", { seat: "ada" })
    foldRoster(roster, "advertised", { card })
    expect(roster.online()).toEqual(["ada", "cy"])
  })
})
