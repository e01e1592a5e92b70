// Numbers of the synapse wire: what /metrics says of it after a few clients came, claimed, were refused and left.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { launch, type HostKernel } from "../../../kernel/host.ts"
import { countRefusal, makeCounts } from "../../../kernel/door/synapse/counts.ts"
import { SynapseAgent } from "../../../libos/synapse/agent.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { askAt } from "../../kit/published.ts"
import { connect } from "../../kit/synapse.ts"

let kernel: HostKernel
let numbers: () => Promise<(series: string) => number>
let uri = ""
let token = ""

const agentOf = (name: string): Promise<SynapseAgent> => SynapseAgent.connect({ uri, name, token, reconnect: false })

beforeAll(async () => {
  kernel = await launch({ store: ":memory:", modules: [coordinator()], network: { publish: true, port: 0 } })
  const at = await kernel.publish()
  uri = `ws://127.0.0.1:${at.port}/synapse`
  token = at.operatorToken
  const ask = askAt(at.port, at.operatorToken)
  numbers = async () => {
    const { text } = await ask("GET", "/metrics")
    return (series) => Number(text.split("\n").find((line) => line.startsWith(`aaax_synapse_${series} `))?.split(" ")[1] ?? Number.NaN)
  }
})
afterAll(() => kernel.close())

describe("the numbers of the wire", () => {
  it("are none before anybody came, but there", async () => {
    const value = await numbers()
    for (const name of ["connections", "outbox_bytes", "requests", "dropped_total", "frames_received_total", "frames_sent_total", "claims_granted_total", "claims_denied_total"]) {
      expect(value(name), name).toBe(0)
    }
  })

  it("count who is here, what is said both ways, and claims by what they came to", async () => {
    const before = (await numbers())("seats")
    const [ada, bob] = [await agentOf("ADA"), await agentOf("BOB")]
    await ada.claim("api", { paths: ["src"] })
    await ada.claim("api")
    await expect(bob.claim("api")).rejects.toMatchObject({ code: "LEASE_LIVE" })
    await expect(bob.claim("other", { paths: ["src/a"] })).rejects.toMatchObject({ code: "SCOPE_CONFLICT" })
    await expect(bob.ask({ verb: "claim", task: "" })).rejects.toMatchObject({ code: "TASK_ID_REQUIRED" })
    await expect(bob.release("nothing")).rejects.toMatchObject({ code: "NOT_CLAIMED" })
    const waiting = bob.ask({ verb: "claim", task: "api", wait: true })
    const raw = await connect(uri, { headers: { authorization: `Bearer ${token}` } })
    await raw.next(({ type }) => type === "welcome")
    for (const [text, code] of [["{", "MALFORMED"], ['{"sender":"RAW","type":"nonsense"}', "UNKNOWN_TYPE"], ['{"sender":"RAW","type":"claim","task_id":"t","paths":"src"}', "INVALID"]] as const) {
      raw.send(text)
      await raw.next(({ reason_code }) => reason_code === code)
    }
    // It is answered behind the claim that waits.
    await bob.requestWho()
    const value = await numbers()
    expect(value("connections")).toBe(3)
    expect(value("seats") - before).toBe(3)
    expect(value("requests")).toBe(1)
    expect([value("claims_granted_total"), value("claims_renewed_total"), value("claims_denied_total")]).toEqual([1, 1, 4])
    for (const code of ["LEASE_LIVE", "SCOPE_CONFLICT", "TASK_ID_REQUIRED", "NOT_CLAIMED", "MALFORMED", "UNKNOWN_TYPE", "INVALID"]) expect(value(`refusals_total{code="${code}"}`), code).toBe(1)
    expect(value("dropped_total")).toBe(0)
    const [received, sent] = [value("frames_received_total"), value("frames_sent_total")]
    await ada.requestWho()
    const later = await numbers()
    // One question, one answer.
    expect([later("frames_received_total") - received, later("frames_sent_total") - sent]).toEqual([1, 1])
    await ada.release("api")
    await waiting
    const last = await numbers()
    expect([last("requests"), last("claims_granted_total")]).toEqual([0, 2])
    raw.ws.close()
    await raw.closed
    for (const agent of [ada, bob]) agent.close()
    while ((await numbers())("seats") > before) await new Promise(setImmediate)
  })

  it("count each frame to everybody once for each who hears it", async () => {
    const agents = await Promise.all(["A", "B", "C"].map((name) => agentOf(`MANY-${name}`)))
    const heard = Promise.all(agents.slice(1).map((agent) => new Promise<void>((resolve) => void agent.listen(({ type }) => type === "chat" && resolve()))))
    // All of them have come, and then everybody has heard that.
    for (const agent of [...agents, ...agents]) await agent.requestWho()
    const before = await numbers()
    await agents[0]!.chat("to all")
    await heard
    expect((await numbers())("frames_sent_total") - before("frames_sent_total")).toBe(3)
    for (const agent of agents) agent.close()
  })

  it("tell so many codes apart, whatever a coordinator says", () => {
    const counts = makeCounts()
    for (let at = 0; at < 100; at++) countRefusal(counts, `CODE_${at}`)
    countRefusal(counts, "CODE_1")
    expect(counts.refusals.size).toBe(65)
    expect([counts.refusals.get("CODE_1"), counts.refusals.get("OTHER")]).toEqual([2, 36])
  })
})
