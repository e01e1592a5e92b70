// What each tier stops, measured here and now: the hostile module is loaded into it and tries, against what is laid out for it
// alone. Bounded in time and memory; nothing of the machine's owner is touched.
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { launch, type HostKernel } from "../../kernel/index.ts"
import { scriptRunner } from "../../kernel/power/script.ts"
import { makeTiers } from "../../kernel/tier/tiers.ts"
import type { System } from "../../protocol/manifest.ts"
import { tiers, type Tier } from "../../protocol/tier.ts"
import { attacks, hostileModule, loud, quiet, type Attack, type Targets } from "./hostile.ts"

/** `passes`: the attack succeeded. `stopped`: it did not. `not tried`: it would take this process with it, so it passes. */
export type Verdict = "passes" | "stopped" | "not tried"

export interface Cell {
  readonly verdict: Verdict
  /** What stopped it, or what it did. */
  readonly why: string
}

export interface TierColumn {
  readonly tier: Tier
  /** Why it cannot be had here; null: it was measured. */
  readonly unavailable: string | null
  readonly cells: Readonly<Partial<Record<Attack, Cell>>>
}

export interface IsolationReport {
  readonly node: string
  readonly platform: string
  readonly tools: Readonly<Record<"permission" | "prlimit" | "bwrap", string | null>>
  readonly tiers: ReadonlyArray<TierColumn>
}

const memoryBytes = 256 * 1_048_576
const bufferBytes = 448 * 1_048_576
const silenceMillis = 1_500
/** More frames than are heard of one program in that time. */
const floodMillis = 3_500
const floodFrames = 110_000
/** The longest that an attack is waited for. */
const attackMillis = 20_000

const listening = (server: Server, where: { readonly port: number; readonly host: string } | { readonly path: string }): Promise<void> =>
  new Promise((resolve, reject) => void server.once("error", reject).listen(where, () => resolve()))

interface World {
  readonly folder: string
  readonly targets: Omit<Targets, "id" | "attacks" | "writeFile">
  readonly close: () => void
}

const makeWorld = async (): Promise<World> => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-isolation-")))
  const canary = `canary-${randomBytes(16).toString("hex")}`
  const outside = join(folder, "host")
  mkdirSync(outside)
  mkdirSync(join(folder, "project"))
  writeFileSync(join(outside, "secret"), canary, { mode: 0o600 })
  writeFileSync(join(folder, "project/hostile.js"), hostileModule)
  const tcp = createServer((socket) => socket.destroy())
  const unix = createServer((socket) => socket.destroy())
  const unixSocket = join(outside, "socket")
  await listening(tcp, { port: 0, host: "127.0.0.1" })
  await listening(unix, { path: unixSocket })
  const address = tcp.address()
  process.env["AAAX_ISOLATION_CANARY"] = canary
  return {
    folder,
    targets: {
      secretFile: join(outside, "secret"), tcpPort: typeof address === "object" && address !== null ? address.port : 0, unixSocket, hostPid: process.pid, canary,
      bufferBytes, floodMillis, floodFrames
    },
    close: () => {
      delete process.env["AAAX_ISOLATION_CANARY"]
      tcp.close()
      unix.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const polluted = (): boolean => {
  const found = ({} as Readonly<Record<string, unknown>>)["aaaxPolluted"] === true
  delete (Object.prototype as { aaaxPolluted?: boolean }).aaaxPolluted
  return found
}

/** What the module reported of an attack, or why its program ended. */
const outcomeOf = async (kernel: HostKernel, id: string, attack: Attack): Promise<{ readonly reported?: { readonly outcome: unknown; readonly why: string }; readonly ended?: string }> => {
  const until = performance.now() + attackMillis
  while (performance.now() < until) {
    const events = await kernel.channels.read("hostile.out", { limit: 1_000 })
    const report = events.find(({ payload, sender }) => sender === id && (payload as { readonly attack?: unknown } | null)?.attack === attack)
    if (report !== undefined) return { reported: report.payload as { readonly outcome: unknown; readonly why: string } } // as the module writes it
    const ended = kernel.systems().find((system) => system.id === id)?.lastError
    if (typeof ended === "string") return { ended }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {}
}

const channel = { name: "hostile.out", durability: "memory" as const }
const run = scriptRunner(async () => (await import("../ourselves.ts")).ourselves)

const quietCells = async (tier: Tier, world: World): Promise<Partial<Record<Attack, Cell>>> => {
  const writeFile = join(world.folder, `host/written-in-${tier}`)
  const settings: Targets = { ...world.targets, id: "hostile", attacks: quiet, writeFile }
  const entry = tier === "in-process"
    ? { id: "hostile", system: ((await run(join(world.folder, "project/hostile.js"), hostileModule)) as (at: Targets) => System)(settings), channels: ["hostile.out"] } // as it is written
    : { id: "hostile", file: "hostile.js", tier, settings: { ...settings }, limits: { memoryBytes }, channels: ["hostile.out"] }
  const kernel = await launch({ store: ":memory:", directory: join(world.folder, "project"), channels: [channel], modules: [entry] })
  try {
    const cells: Partial<Record<Attack, Cell>> = {}
    for (const attack of quiet) {
      const { ended, reported } = await outcomeOf(kernel, "hostile", attack)
      // Only the host can tell whether it was changed.
      const done = attack === "prototype" ? polluted() : attack === "write" ? existsSync(writeFile) : reported?.outcome === true
      cells[attack] = done ? { verdict: "passes", why: "" } : { verdict: "stopped", why: ended ?? reported?.why ?? "" }
    }
    return cells
  } finally {
    await kernel.close({ timeoutMillis: 100 })
  }
}

const loudCell = async (tier: Tier, world: World, attack: Attack): Promise<Cell> => {
  const id = `hostile/${attack}`
  const settings: Targets = { ...world.targets, id, attacks: [attack], writeFile: "" }
  const kernel = await launch({
    store: ":memory:", directory: join(world.folder, "project"), channels: [channel],
    modules: [{ id, file: "hostile.js", tier, settings: { ...settings }, limits: { memoryBytes, silenceMillis }, channels: ["hostile.out"] }]
  })
  try {
    const { ended, reported } = await outcomeOf(kernel, id, attack)
    if (attack === "flood" && reported?.outcome === false) return { verdict: "stopped", why: "it was slowed" }
    if (ended !== undefined) return { verdict: "stopped", why: ended }
    // What is told to look at the kernel has ended the program a moment later, or has not.
    if (reported?.outcome === "look") {
      const until = performance.now() + silenceMillis
      while (performance.now() < until) {
        const later = kernel.systems().find((system) => system.id === id)?.lastError
        if (typeof later === "string") return { verdict: "stopped", why: later }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    return { verdict: "passes", why: reported === undefined ? `it went on for ${attackMillis / 1000} s` : "" }
  } finally {
    await kernel.undock(id)
    await kernel.close({ timeoutMillis: 100 })
  }
}

const inTurns = 3

/** One column. In this process itself only what does not end it is tried. */
const column = async (tier: Tier, world: World): Promise<TierColumn["cells"]> => {
  const cells: Partial<Record<Attack, Cell>> = await quietCells(tier, world)
  if (tier === "in-process") {
    for (const attack of loud) cells[attack] = { verdict: "not tried", why: "it would take this process with it" }
    for (const attack of ["flood", "garbage", "line", "depth"] as const) cells[attack] = { verdict: "stopped", why: "there are no frames: the port refuses what is none of its calls" }
    return cells
  }
  const waiting = [...loud]
  await Promise.all(Array.from({ length: inTurns }, async () => {
    for (let attack = waiting.shift(); attack !== undefined; attack = waiting.shift()) cells[attack] = await loudCell(tier, world, attack)
  }))
  return cells
}

/** Measures the tiers that there are, one after the other. */
export const measureIsolation = async (wanted: ReadonlyArray<Tier> = tiers): Promise<IsolationReport> => {
  const here = makeTiers()
  const world = await makeWorld()
  try {
    const columns: Array<TierColumn> = []
    for (const tier of wanted) {
      const unavailable = await here.unavailable(tier) ?? null
      columns.push({ tier, unavailable, cells: unavailable === null ? await column(tier, world) : {} })
    }
    const { bwrap, permission, prlimit } = here.tools
    return {
      node: process.version, platform: process.platform, tools: { permission: permission ?? null, prlimit: prlimit ?? null, bwrap: bwrap ?? null }, tiers: columns
    }
  } finally {
    here.close()
    world.close()
  }
}

/** In the order of the table. */
export const rows = Object.entries(attacks) as ReadonlyArray<readonly [Attack, string]> // its keys are the attacks
