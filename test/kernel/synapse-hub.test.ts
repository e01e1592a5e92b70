// A hub from code: a kernel with the coordinator, on a port of its own.
import { connect } from "node:net"
import { describe, expect, it, vi } from "vitest"
import { defineModule } from "../../libos/module.ts"
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

  it("docks what stands beside the coordinator before anybody can connect, and tells it what its frames will say", async () => {
    const free = await new SynapseHub({ port: 0 }).start()
    const { port } = free
    await free.stop()
    const seen: Array<unknown> = []
    const hub = new SynapseHub({
      port,
      beside: (id) => [defineModule({
        id: "beside",
        run: async ({ signal }) => {
          seen.push(id, await new Promise((resolve) => {
            const socket = connect(port, "127.0.0.1", () => resolve("somebody listens"))
            socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code)).on("close", () => socket.destroy())
          }))
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }))
        }
      })]
    })
    await using running = await hub.start()
    await vi.waitFor(() => expect(seen).toEqual([running.id, "ECONNREFUSED"]))
  })

  it("lets in who presents one of its tokens, and says why it does not start", async () => {
    const hub = new SynapseHub({ port: 0, tokens: ["", "open sesame"] })
    await Promise.all([hub.start(), hub.start()])
    await expect(SynapseAgent.connect({ uri: hub.uri, name: "ADA", reconnect: false })).rejects.toMatchObject({ code: "TOKEN_REQUIRED" })
    await expect(SynapseAgent.connect({ uri: hub.uri, name: "ADA", token: "", reconnect: false })).rejects.toThrow()
    const ada = await SynapseAgent.connect({ uri: hub.uri, name: "ADA", token: "open sesame", reconnect: false })
    ada.close()
    const taken = new SynapseHub({ port: hub.port })
    await expect(taken.start()).rejects.toMatchObject({ _tag: "ConfigInvalid" })
    const { port } = hub
    await Promise.all([hub.stop(), hub.stop()])
    // What failed is tried again, and what ended starts again.
    await using again = await taken.start()
    expect(again.port).toBe(port)
    await expect(new SynapseHub({ port: 0, host: "0.0.0.0" }).start()).rejects.toMatchObject({ _tag: "ConfigInvalid" })
    await expect(new SynapseHub({ port: 0, host: "0.0.0.0", tokens: ["t"] }).start()).rejects.toMatchObject({ _tag: "ConfigInvalid" })
    await expect(new SynapseHub({ port: 0, historyMax: 0 }).start()).rejects.toThrow()
  })
})
