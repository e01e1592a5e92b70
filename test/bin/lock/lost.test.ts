// A lock that is held: which words of the hub say that it is another's, and which say nothing of it.
import { afterEach, describe, expect, it } from "vitest"
import { acquire, type Lease } from "../../../bin/lock/lease.ts"
import { fakeHub, type FakeHub } from "../../kit/hub-fake.ts"

const ends: Array<() => unknown> = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const held = async (): Promise<{ readonly hub: FakeHub; readonly lease: Lease }> => {
  const hub = await fakeHub({
    answer: (frame, say) => {
      if (frame.type === "claim") say({ type: "claim_granted", task_id: frame.task_id, owner: frame.sender, lease_expires_at: 1e12, epoch: 1 })
      if (frame.type === "release") say({ type: "release_granted", task_id: frame.task_id, owner: frame.sender })
    }
  })
  ends.push(hub.close)
  const lease = await acquire("t", { paths: [] }, { uri: hub.uri }, "ada", 0, new AbortController().signal)
  ends.push(lease.release)
  return { hub, lease }
}
/** Of other tasks, and of this one what changes nothing. */
const others: ReadonlyArray<object> = [
  { type: "claim_granted", task_id: "other", owner: "bob" }, { type: "handoff_granted", task_id: "other", owner: "bob" }, { type: "release_granted", task_id: "other", owner: "bob" },
  { type: "notice", notice: { notice: "expired", task: "other", epoch: 1 } }, { type: "notice", notice: { notice: "silent", since: 1, claims: ["t"] } },
  { type: "notice", notice: { notice: "expiring", task: "t", epoch: 1, expiresAt: 2 } }, { type: "claim_granted", task_id: "t", owner: "ada" }, { type: "chat", payload: "t" }
]

describe("a lock that is held", () => {
  it.each<readonly [string, object]>([
    ["it is held by bob", { type: "claim_granted", task_id: "t", owner: "bob" }],
    ["it is held by eve", { type: "handoff_granted", task_id: "t", owner: "eve" }],
    ["it was released", { type: "release_granted", task_id: "t", owner: "ada" }],
    ["its time ran out", { type: "notice", notice: { notice: "expired", task: "t", epoch: 1 } }]
  ])("is lost when the hub says that %s, and not before", async (why, frame) => {
    const { hub, lease } = await held()
    for (const other of others) hub.broadcast(other as never)
    hub.broadcast(frame as never)
    expect(await lease.lost).toBe(why)
    expect(lease.isHeld()).toBe(false)
  })
})
