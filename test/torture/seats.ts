// Many seats at one hub, three of which behave badly: one says as much as it can, one stops reading, one connects again and again.
// The others claim and release, and what counts is how long they wait.
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { WebSocket } from "ws"

export interface SeatsOptions {
  /** The bundled `seats/hub.ts`. */
  readonly hub: string
  readonly seats: number
  readonly millis?: number
  readonly onSecond?: (second: number, claims: number) => void
}

export interface SeatsReport {
  readonly seats: number
  readonly millis: number
  readonly claims: number
  readonly p50Millis: number
  readonly p99Millis: number
  readonly maxMillis: number
  /** The same before anybody behaved badly. */
  readonly quietP99Millis: number
  readonly chatsHeard: number
  readonly reconnects: number
  /** From when the first bytes waited for who stopped reading to when everybody was told that it left; null: it was never let go. */
  readonly stalledLeftMillis: number | null
  /** Well-behaved seats that were let go. */
  readonly lost: number
  readonly outboxBytesMax: number
  readonly ok: boolean
}

interface Look {
  readonly dropped: number
  readonly outboxBytes: number
}

interface Seat {
  readonly name: string
  readonly ws: WebSocket
  /** Looked for in each frame; told when it came. */
  wanted: Buffer | undefined
  came: () => void
}

const frame = (sender: string, type: string, fields: object = {}): string => JSON.stringify({ sender, target: "all", type, payload: "", timestamp: 1, ...fields })

const enter = (url: string, name: string, onFrame: (data: Buffer) => void = () => {}): Promise<Seat> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true })
    const seat: Seat = { name, ws, wanted: Buffer.from(`"agent":"${name}"`), came: () => resolve(seat) }
    ws.on("open", () => ws.send(frame(name, "heartbeat")))
    ws.on("message", (data: Buffer) => {
      onFrame(data)
      if (seat.wanted === undefined || !data.includes(seat.wanted)) return
      seat.wanted = undefined
      seat.came()
    })
    ws.on("error", reject)
  })

const heard = (seat: Seat, text: string, send: string): Promise<number> =>
  new Promise((resolve) => {
    const began = performance.now()
    seat.wanted = Buffer.from(text)
    seat.came = () => resolve(performance.now() - began)
    seat.ws.send(send)
  })

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
const at = (sorted: ReadonlyArray<number>, share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Claims of all seats together each second. */
const claimsPerSecond = 20
/** More than this waits for a seat that does not read; for others less, and not for long. */
const stuckBytes = 200_000
/** Seats that connect at once. */
const enterAtOnce = 20

export const seats = async ({ hub, millis = 20_000, onSecond = () => {}, seats: count }: SeatsOptions): Promise<SeatsReport> => {
  const child = spawn(process.execPath, [hub], { stdio: ["pipe", "pipe", "inherit"] })
  const looks: Array<Look> = []
  let hasStopped = false
  let stalledAt = 0
  const url = await new Promise<string>((resolve, reject) => {
    child.on("exit", () => reject(new Error("the hub ended")))
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("ws:")) resolve(line)
      else {
        const look = JSON.parse(line) as Look // what seats/hub.ts prints
        looks.push(look)
        if (stalledAt === 0 && hasStopped && look.outboxBytes > stuckBytes) stalledAt = performance.now()
      }
    })
  })
  let chatsHeard = 0
  let stalledLeftMillis: number | null = null
  const chat = Buffer.from('"type":"chat"')
  const left = Buffer.from('"event":"left","agent":"stalled"')
  const watch = (data: Buffer): void => {
    if (data.includes(chat)) chatsHeard++
    else if (hasStopped && stalledLeftMillis === null && data.includes(left)) stalledLeftMillis = stalledAt === 0 ? 0 : performance.now() - stalledAt
  }
  const good: Array<Seat> = []
  while (good.length < count - 3) {
    const some = Math.min(enterAtOnce, count - 3 - good.length)
    good.push(...await Promise.all(Array.from({ length: some }, (_, index) => enter(url, `seat-${good.length + index}`, good.length + index === 0 ? watch : undefined))))
  }
  let lost = 0
  let over = false
  for (const { ws } of good) ws.on("close", () => (lost += over ? 0 : 1))

  const claimFor = async (duration: number, told: (second: number, claims: number) => void): Promise<ReadonlyArray<number>> => {
    const latencies: Array<number> = []
    const running: Array<Promise<unknown>> = []
    const began = performance.now()
    let second = 0
    for (let turn = 0; performance.now() - began < duration; turn++) {
      const seat = good[turn % good.length]!
      const task = `t-${turn}`
      running.push(heard(seat, `Task '${task}' claimed`, frame(seat.name, "claim", { task_id: task, paths: [`src/${turn}`] })).then((took) => {
        latencies.push(took)
        return heard(seat, `Task '${task}' released`, frame(seat.name, "release", { task_id: task }))
      }))
      const late = began + (turn + 1) * (1_000 / claimsPerSecond) - performance.now()
      if (late > 0) await pause(late)
      if (performance.now() - began > (second + 1) * 1_000) told(++second, latencies.length)
    }
    await Promise.race([Promise.all(running), pause(10_000)])
    return latencies.sort((a, b) => a - b)
  }
  const quiet = await claimFor(Math.min(5_000, millis / 2), () => {})

  const flooder = await enter(url, "flooder")
  const stalled = await enter(url, "stalled")
  let reconnects = 0
  const flood = (async () => {
    const text = frame("flooder", "chat", { payload: "x".repeat(400) })
    while (!over) {
      while (flooder.ws.bufferedAmount < 262_144 && !over) flooder.ws.send(text)
      await pause(1)
    }
  })()
  const loop = (async () => {
    while (!over) {
      // Its turn may be late: it is made to wait.
      const again = await enter(url, "looper").catch(() => undefined)
      if (again === undefined) continue
      reconnects++
      again.ws.terminate()
    }
  })()
  // It asks for much, and reads none of it: what its own system would take in for it is not the hub's affair.
  const stall = (async () => {
    await pause(Math.min(3_000, millis / 4))
    stalled.ws.pause()
    hasStopped = true
    while (!over && stalledLeftMillis === null) {
      stalled.ws.send(frame("stalled", "history_request"))
      await pause(50)
    }
  })()
  const latencies = await claimFor(millis, onSecond)
  over = true
  flooder.ws.terminate()
  await Promise.all([flood, stall])
  await Promise.race([loop, pause(2_000)])
  for (const { ws } of [...good, stalled]) ws.terminate()
  child.removeAllListeners("exit")
  child.stdin.end()
  const p99Millis = at(latencies, 0.99)
  const expected = Math.floor((millis / 1_000) * claimsPerSecond * 0.9)
  return {
    seats: count, millis, claims: latencies.length, p50Millis: at(latencies, 0.5), p99Millis, maxMillis: at(latencies, 1), quietP99Millis: at(quiet, 0.99),
    chatsHeard, reconnects, stalledLeftMillis, lost, outboxBytesMax: Math.max(...looks.map(({ outboxBytes }) => outboxBytes), 0),
    ok: p99Millis < 50 && stalledLeftMillis !== null && stalledLeftMillis < 5_000 + 1_000 && lost === 0 && latencies.length >= expected
  }
}
