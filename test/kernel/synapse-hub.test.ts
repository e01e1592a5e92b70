// A hub from code: a kernel with the coordinator, on a port of its own.
import { describe, expect, it } from "vitest"
import { SynapseAgent } from "../../libos/synapse/agent.ts"
import { SynapseHub } from "../../kernel/synapse-hub.ts"

describe("a hub from code", () => {
  it("serves seats from its start to its stop, on any free port", async () => {
    const hub = new SynapseHub({ port: 0 })
    expect(() => hub.uri).toThrow(TypeError)
    expect(await hub.start()).toBe(hub)
    const ada = await SynapseAgent.connect({ uri: hub.uri, name: "ADA", reconnect: false })
    const bob = await SynapseAgent.connect({ uri: hub.uri, name: "BOB", reconnect: false })
    expect(ada.hubId).toBe(hub.id)
    expect(await ada.claim("api", { paths: ["src/api"] })).toMatchObject({ owner: "ADA", task_id: "api" })
    await expect(bob.claim("docs", { paths: ["src/api/doc.md"] })).rejects.toMatchObject({ code: "SCOPE_CONFLICT" })
    await hub.stop()
    expect(await ada.closed).toBeInstanceOf(Error)
    await bob.closed
  })
})
