// Clients of the synapse wire in a process of their own, which look at frames as little as they can. Reads commands as lines of JSON
// and answers each with one.
import { createInterface } from "node:readline"
import { WebSocket } from "ws"
import { now, type Done } from "./http-client.ts"

export type SynapseCommand =
  /** Connects so many agents, each under a name of its own. Answers when all are bound. */
  | { readonly kind: "open"; readonly url: string; readonly clients: number }
  /** So many claims with their releases, of all agents together, each agent one after the other. Answers how long each request took. */
  | { readonly kind: "pairs"; readonly total: number }
  /** The first agent says so many things, so many at a time, and everybody hears them. Answers how late each came to the others. */
  | { readonly kind: "chats"; readonly total: number; readonly atOnce: number }
  | { readonly kind: "close" }

interface Agent {
  readonly ws: WebSocket
  readonly name: string
  hear: (data: Buffer) => void
}

let agents: ReadonlyArray<Agent> = []
let opened = 0

const nothing: Done = { seconds: 0, micros: [] }
const frame = (sender: string, type: string, fields: object): string => JSON.stringify({ sender, target: "all", type, payload: "", timestamp: 1, ...fields })

const open = (url: string): Promise<Agent> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true })
    const name = `agent-${++opened}`
    const joined = `"agent":"${name}"`
    const agent: Agent = {
      ws, name,
      hear: (data) => {
        if (!data.includes(joined)) return
        agent.hear = () => {}
        resolve(agent)
      }
    }
    ws.on("open", () => ws.send(frame(name, "heartbeat", {})))
    ws.on("message", (data: Buffer) => agent.hear(data))
    ws.on("error", reject)
  })

const pairs = async (total: number): Promise<Done> => {
  const micros: Array<number> = []
  const began = performance.now()
  await Promise.all(agents.map((agent, at) => {
    const { name, ws } = agent
    const task = `t-${name}`
    const [claim, release] = [frame(name, "claim", { task_id: task, paths: [`src/${name}`] }), frame(name, "release", { task_id: task })]
    const [granted, released] = [Buffer.from(`Task '${task}' claimed`), Buffer.from(`Task '${task}' released`)]
    let left = Math.floor(total / agents.length) + (at < total % agents.length ? 1 : 0)
    let isClaimed = false
    let sentAt = 0
    const send = (): void => {
      sentAt = performance.now()
      ws.send(isClaimed ? release : claim)
    }
    return new Promise<void>((resolve) => {
      if (left === 0) return resolve()
      agent.hear = (data) => {
        if (!data.includes(isClaimed ? released : granted)) return
        micros.push((performance.now() - sentAt) * 1e3)
        isClaimed = !isClaimed
        if (!isClaimed && --left === 0) {
          agent.hear = () => {}
          return resolve()
        }
        send()
      }
      send()
    })
  }))
  return { seconds: (performance.now() - began) / 1e3, micros }
}

const chats = async (total: number, atOnce: number): Promise<Done> => {
  const [speaker, ...others] = agents
  if (speaker === undefined) return nothing
  const micros: Array<number> = []
  const mark = Buffer.from('"payload":"@')
  const began = performance.now()
  const heard = others.map((agent) => {
    let left = total
    return new Promise<void>((resolve) => {
      agent.hear = (data) => {
        const at = data.indexOf(mark)
        if (at < 0) return
        micros.push((now() - Number.parseFloat(data.toString("latin1", at + mark.length, at + mark.length + 20))) * 1e3)
        if (--left === 0) resolve()
      }
    })
  })
  let sent = 0
  let own = 0
  const say = (): void => {
    while (sent < total && sent - own < atOnce) {
      sent++
      speaker.ws.send(frame(speaker.name, "chat", { payload: `@${now()} ${"x".repeat(100)}` }))
    }
  }
  speaker.hear = (data) => {
    if (!data.includes(mark)) return
    own++
    say()
  }
  say()
  await Promise.all(heard)
  return { seconds: (performance.now() - began) / 1e3, micros }
}

const run = async (command: SynapseCommand): Promise<Done> => {
  switch (command.kind) {
    case "open": {
      const made: Array<Agent> = []
      for (let at = 0; at < command.clients; at++) made.push(await open(command.url))
      agents = made
      return nothing
    }
    case "pairs":
      return pairs(command.total)
    case "chats":
      return chats(command.total, command.atOnce)
    case "close":
      for (const { ws } of agents) ws.terminate()
      agents = []
      return nothing
  }
}

/** Serves until its standard input ends. */
export const serveSynapse = async (): Promise<void> => {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as SynapseCommand))}\n`) // what bench/synapse.ts sends
    } catch (error) {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  }
  process.exit(0)
}
