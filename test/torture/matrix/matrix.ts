// The matrix: kills a kernel at every point that its way through all cases passes, starts it again, and compares what the
// journal says with what happened. Exhaustive for one death; deaths during the recovery are taken at every few points.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cases, type Instructions, type Outcome } from "./terms.ts"

export interface MatrixOptions {
  /** The bundled `world.ts`. */
  readonly world: string
  /** Of the points, every so many-th. 1: all. */
  readonly every: number
  /** Die a second time, at this point of the life behind the first death; 0: do not. */
  readonly again?: number
  readonly onPoint?: (done: number, points: number) => void
}

export interface MatrixReport {
  /** Points that one whole life passes. */
  readonly points: number
  /** How many of them were died at. */
  readonly deaths: number
  readonly millis: number
  /** Effects of what the journal never started, or of what was denied, refused, expired or revoked. */
  readonly unauthorizedEffects: number
  /** Effects that are there twice though their executor did not declare that harmless. */
  readonly effectsDoubled: number
  /** Calls of executors beyond the durable starts of their warrants. */
  readonly effectsWithoutIntent: number
  /** Successes without an effect, and effects of what is told to have failed. */
  readonly receiptsWrong: number
  /** Warrants that are neither closed nor were shown as unknown. */
  readonly warrantsOpen: number
  /** Cases that ended in a state that they cannot end in. */
  readonly endingsWrong: number
  /** Requests without exactly one verdict and one end told to their requester. */
  readonly repliesWrong: number
  /** Unknown ones, all reconciled: every one of an executor that cannot tell. */
  readonly unknown: number
  /** Unknown though the executor could have told, or may be called again. */
  readonly unknownWrong: number
  /** Effects taken back twice, or told to be taken back and there, or the other way round. */
  readonly takenBackWrong: number
  /** Lives that ended with something still held in a budget. */
  readonly reservationsLeft: number
  readonly chainsBroken: number
  /** The first few things that are wrong, with the point. */
  readonly wrong: ReadonlyArray<string>
  readonly ok: boolean
}

const verdicts: ReadonlySet<string> = new Set(["action_approved", "action_denied", "action_expired"])
const ends: ReadonlySet<string> = new Set(["action_completed", "action_failed", "action_unknown"])

const live = (world: string, given: Instructions): Promise<{ readonly outcome: Outcome | undefined; readonly killed: boolean; readonly errors: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [world, JSON.stringify(given)], { stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    const tooLong = setTimeout(() => child.kill("SIGTERM"), 120_000)
    child.on("error", reject)
    child.on("close", (code, signal) => {
      clearTimeout(tooLong)
      resolve({ outcome: code === 0 ? JSON.parse(said) as Outcome : undefined, killed: signal === "SIGKILL", errors: errors || `it ended with ${code ?? signal}` }) // what world.ts writes
    })
  })

interface Life {
  readonly dieAt: number
  readonly outcome: Outcome
  readonly calls: ReadonlyMap<string, number>
  readonly effects: ReadonlyMap<string, number>
  /** By the warrant whose effect was taken back. */
  readonly undone: ReadonlyMap<string, number>
  /** Warrants that did what a human had put something else in place of. */
  readonly unedited: ReadonlyArray<string>
}

/** A store that is new, lives that end at the given points, and one that goes to the end. */
const lifeOf = async (world: string, deaths: ReadonlyArray<number>): Promise<Life> => {
  const directory = mkdtempSync(join(tmpdir(), "aaax-matrix-"))
  const [store, calls, effects] = [join(directory, "kernel.db"), join(directory, "calls.txt"), join(directory, "effects.txt")]
  for (const file of [calls, effects]) writeFileSync(file, "")
  try {
    for (const [index, dieAt] of deaths.entries()) {
      const run = await live(world, { store, calls, effects, dieAt })
      // A life behind the first may be shorter than its point of death.
      if (!run.killed && (index === 0 || run.outcome === undefined)) throw new Error(`it did not die at point ${dieAt}: ${run.errors}`)
    }
    const last = await live(world, { store, calls, effects, dieAt: 0 })
    if (last.outcome === undefined) throw new Error(`the life behind a death at point ${deaths.join(" and ")} did not end well: ${last.errors}`)
    const told = (file: string): ReadonlyArray<readonly [what: string, warrant: string]> =>
      readFileSync(file, "utf8").split("\n").filter((line) => line !== "").map((line) => [line.split(" ")[0] ?? "", line.split(" ").at(-1) ?? ""])
    const count = (ids: ReadonlyArray<string>): Map<string, number> => {
      const counted = new Map<string, number>()
      for (const id of ids) counted.set(id, (counted.get(id) ?? 0) + 1)
      return counted
    }
    const done = told(effects)
    const undo = "undone-"
    return {
      dieAt: deaths[0] ?? 0,
      outcome: last.outcome,
      calls: count(told(calls).map(([, warrant]) => warrant)),
      effects: count(done.filter(([what]) => !what.startsWith(undo)).map(([, warrant]) => warrant)),
      undone: count(done.filter(([what]) => what.startsWith(undo)).map(([what]) => what.slice(undo.length))),
      unedited: done.filter(([what]) => what.endsWith("-unedited")).map(([, warrant]) => warrant)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

type Counted = "unauthorizedEffects" | "effectsDoubled" | "effectsWithoutIntent" | "receiptsWrong" | "warrantsOpen" | "endingsWrong" | "repliesWrong" | "unknownWrong" | "takenBackWrong" | "reservationsLeft" | "chainsBroken"

/** Everything that is wrong with what is left of a life. */
const judge = ({ calls, effects, outcome, undone, unedited }: Life): ReadonlyArray<readonly [Counted, string]> => {
  const wrong: Array<readonly [Counted, string]> = []
  const known = new Set(Object.values(outcome.requests))
  for (const id of unedited) wrong.push(["unauthorizedEffects", `${id} did what a human had put something else in place of`])
  for (const id of effects.keys()) if (!known.has(id)) wrong.push(["unauthorizedEffects", `an effect of ${id}, which nobody asked for`])
  const replies = new Map(outcome.replies)
  const unknown = new Set(outcome.reconciled.map(({ id }) => id))
  for (const { effects: may, endings, name } of cases) {
    const id = outcome.requests[name] ?? ""
    const warrant = outcome.warrants.find((one) => one.id === id)
    const done = effects.get(id) ?? 0
    if (warrant === undefined) {
      wrong.push(["endingsWrong", `${name}: it has no warrant`])
      continue
    }
    const { starts, state } = warrant
    if (["escalated", "started", "unknown"].includes(state)) wrong.push(["warrantsOpen", `${name}: it is ${state}`])
    else if (!endings.some((ending) => ending === state)) wrong.push(["endingsWrong", `${name}: it is ${state}`])
    if ((calls.get(id) ?? 0) > starts) wrong.push(["effectsWithoutIntent", `${name}: ${calls.get(id)} calls, ${starts} starts`])
    if (done > 0 && (starts === 0 || may === "never")) wrong.push(["unauthorizedEffects", `${name}: ${done} effects, ${starts} starts`])
    if (done > (may === "as started" ? starts : 1)) wrong.push(["effectsDoubled", `${name}: ${done} effects`])
    const back = undone.get(id) ?? 0
    if (back !== (state === "compensated" ? 1 : 0)) wrong.push(["takenBackWrong", `${name}: ${state}, and taken back ${back} times`])
    if (state === "succeeded" || state === "compensated" ? done === 0 : done > 0) wrong.push(["receiptsWrong", `${name}: ${state} with ${done} effects`])
    const told = replies.get(id) ?? []
    const said = told.filter((kind) => verdicts.has(kind))
    // What nobody knew is told again when somebody found out.
    const ended = told.filter((kind) => ends.has(kind)).join(" ").replace(/^action_unknown (?=action_(?:completed|failed)$)/u, "")
    if (said.length !== 1 || (said[0] === "action_approved" ? !ends.has(ended) : ended !== "")) wrong.push(["repliesWrong", `${name}: told ${told.join(", ")}`])
    if (unknown.has(id) && warrant.recovery !== "none") wrong.push(["unknownWrong", `${name}: unknown, though its executor is ${warrant.recovery}`])
  }
  if (outcome.reserved > 0) wrong.push(["reservationsLeft", `${outcome.reserved} are still held`])
  if (!outcome.chain || outcome.problems.length > 0) wrong.push(["chainsBroken", outcome.problems.join("; ")])
  return wrong
}

export const matrix = async ({ again = 0, every, onPoint, world }: MatrixOptions): Promise<MatrixReport> => {
  const begun = Date.now()
  const whole = await lifeOf(world, [])
  const points = whole.outcome.points
  const all: Array<number> = []
  for (let at = 1; at <= points; at += every) all.push(at)
  const counts: Record<Counted, number> = {
    unauthorizedEffects: 0, effectsDoubled: 0, effectsWithoutIntent: 0, receiptsWrong: 0, warrantsOpen: 0, endingsWrong: 0, repliesWrong: 0, unknownWrong: 0, takenBackWrong: 0, reservationsLeft: 0, chainsBroken: 0
  }
  const wrong: Array<string> = []
  let unknown = 0
  let done = 0
  const note = (life: Life): void => {
    unknown += life.outcome.reconciled.length
    for (const [kind, reason] of judge(life)) {
      counts[kind]++
      if (wrong.length < 20) wrong.push(`${life.dieAt === 0 ? "without a death" : `died ${whole.outcome.names[life.dieAt - 1]} (${life.dieAt})`}: ${reason}`)
    }
  }
  note(whole)
  const left = all.values()
  const work = async (): Promise<void> => {
    for (const at of left) {
      note(await lifeOf(world, again === 0 ? [at] : [at, again]))
      onPoint?.(++done, all.length)
    }
  }
  // Two at once: more would only wait for each other.
  await Promise.all([work(), work()])
  return { points, deaths: all.length, millis: Date.now() - begun, ...counts, unknown, wrong, ok: Object.values(counts).every((count) => count === 0) }
}
