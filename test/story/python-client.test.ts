// A client in another language, with nothing but HTTP: the example of the documentation, run as it stands.
import { execFile, execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "vitest"
import { withPortable, type PortableWorld, type Wire } from "../kit/portable.ts"

const script = fileURLToPath(new URL("../../examples/python-client.py", import.meta.url))

const hasPython = (): boolean => {
  try {
    return execFileSync("python3", ["-c", "import sys; print(sys.version_info >= (3, 8))"], { encoding: "utf8" }).trim() === "True"
  } catch {
    return false
  }
}

const inPython = async ({ base, network }: PortableWorld, channel: string): Promise<Wire> => {
  const token = await network.mint({ name: "python", role: "admin" })
  const { stdout } = await promisify(execFile)("python3", [script, `${base.replace("//", `//python:${token}@`)}`, channel], { timeout: 30_000 })
  return JSON.parse(stdout)
}

/** The same calls, where there is no Python; each of them must be in the script. */
const inNode = async (world: PortableWorld, channel: string): Promise<Wire> => {
  const text = readFileSync(script, "utf8")
  for (const call of ['"POST", "/channels"', '"POST", "/events"', '"GET", "/events"', '"POST", "/subscriptions"', '/pull"', '"POST", "/artifacts"', '"PUT", f"/snapshots/', '"GET", f"/snapshots/']) {
    expect(text).toContain(call)
  }
  const refused = async (told: Promise<Wire>): Promise<Wire> => (await world.refused(told)).slice(0, 2)
  const created = (await world.createChannel({ name: channel, form: "log", metadata: { made: "here" } })).body
  const again = await refused(world.createChannel({ name: channel }))
  const first = (await world.appendEvent({ channel, kind: "measured", payload: { celsius: 21.5 } })).body
  await world.appendEvent({ channel, kind: "noted", payload: "warm", parent_ids: [first.id] })
  const events = (await world.queryEvents(channel)).body.map(({ kind }: Wire) => kind)
  const dangling = await refused(world.appendEvent({ channel, parent_ids: ["nobody"] }))
  await world.createSubscription({ channel, id: channel, consumer: "python", batch_size: 1 })
  const pulled: Array<number> = []
  for (let batch = await world.pull(channel); batch.body.length > 0; batch = await world.pull(channel)) pulled.push(...batch.body.map(({ cursor }: Wire) => cursor))
  const data = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
  const artifact = (await world.writeArtifact({ data: data.toString("base64"), encoding: "base64", channel, event_ids: [first.id] })).body
  const same = (await world.call("GET", `/artifacts/${artifact.id}`)).bytes.equals(data)
  await world.putSnapshot(channel, { value: { celsius: 21.5 }, channel, source_event_id: first.id })
  const snapshot = (await world.call("GET", `/snapshots/${channel}`)).body.value
  return { channel: created, again, events, dangling, pulled, artifact: [artifact.size, same], snapshot }
}

it("[168] [169] a client that cannot send a bearer token drives a constellation through the whole flow", () =>
  withPortable({}, async (world) => {
    const told = await (hasPython() ? inPython : inNode)(world, "told")
    expect(told).toEqual({
      channel: { name: "told", schema: null, form: "log", description: "", metadata: { made: "here" } },
      again: [409, "ChannelExistsError"],
      events: ["measured", "noted"],
      dangling: [404, "EventNotFoundError"],
      pulled: [1, 2],
      artifact: [256, true],
      snapshot: { celsius: 21.5 }
    })
    expect(await inNode(world, "told-again")).toEqual({ ...told, channel: { ...told.channel, name: "told-again" } })
  }), 40_000)
