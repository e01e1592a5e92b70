// Looking at a hub from the command line: who is there, what is claimed, the plan, and what seats can do.
import * as Effect from "effect/Effect"
import type { SynapseAgent } from "../../libos/synapse/agent.ts"
import { isInProject } from "../../protocol/target.ts"
import { type Called, show } from "../called.ts"
import type { Ended } from "../failure.ts"
import { warnOfLoss } from "../claims/loss.ts"
import { err, onErr, plain } from "../terminal.ts"
import { looking } from "./ancestral.ts"
import type { SeatFailure, SeatFlags } from "./connect.ts"
import { cardFrom, claimFrom, noteFrom, taskFrom } from "./records.ts"

type Looked = Effect.Effect<void, SeatFailure | Ended>

/** Notes that are shown of a board. */
const notesShown = 10

const list = (items: ReadonlyArray<string>, none: string): string => (items.length === 0 ? none : items.join(", "))
const isLeftOut = (truncated: boolean | undefined): void => {
  if (truncated === true) err(onErr.yellow("There is more: this hub leaves out what does not fit into one answer."))
}

interface Online {
  readonly seat: string
  readonly online: true
  readonly unread?: number
  readonly silentSince?: number
  readonly lastSeen?: number
}

/** A hub of ours also says what waits for whom; both name the seats that are online. */
const online = async (agent: SynapseAgent): Promise<ReadonlyArray<Online>> => {
  if (!agent.isOurs) return (await agent.requestWho()).online_agents.map((seat) => ({ seat, online: true }))
  return (await agent.ask({ verb: "who" })).seats.filter((seat): seat is typeof seat & { readonly online: true } => seat.online).toSorted((a, b) => (a.seat < b.seat ? -1 : 1))
}

export const who = (called: Called, flags: SeatFlags & { readonly project?: string }): Looked =>
  Effect.flatMap(looking(called, flags, async ({ agent }) => {
    const seats = await online(agent)
    return flags.project === undefined ? seats : seats.filter(({ seat }) => isInProject(seat, flags.project ?? ""))
  }), (seats) => show(called, seats, () => [
    `${flags.project === undefined ? "Online" : `Online in ${plain(flags.project)}`} (${seats.length}):`,
    ...seats.map(({ seat }) => `  ${plain(seat)}`)
  ]))

const claimsOf = async (agent: SynapseAgent) => {
  if (!agent.isOurs) {
    const { snapshot, truncated } = await agent.requestState()
    isLeftOut(truncated)
    return snapshot.active_claims.map(claimFrom)
  }
  const claims = []
  let after: string | undefined
  do {
    const page = await agent.ask({ verb: "state", ...(after === undefined ? {} : { after }) })
    if (after === undefined) warnOfLoss(page.lost)
    claims.push(...page.items)
    after = page.next
  } while (after !== undefined)
  return claims
}

export const state = (called: Called, flags: SeatFlags & { readonly owner?: string }): Looked =>
  Effect.flatMap(looking(called, flags, async ({ agent }) => {
    const claims = await claimsOf(agent)
    return flags.owner === undefined ? claims : claims.filter(({ owner }) => isInProject(owner, flags.owner ?? ""))
  }), (claims) => show(called, claims, () => [
    `Active claims (${claims.length}):`,
    ...claims.map(({ checkpoint, owner, paths, status, task }) =>
      plain(`  ${task} [${status}] owner=${owner} paths=${list(paths.filter((path) => path !== ""), "-")} checkpoint=${checkpoint === "" ? "-" : checkpoint}`))
  ]))

const boardOf = async (agent: SynapseAgent) => {
  if (!agent.isOurs) {
    const { board: { progress, ready, tasks }, truncated } = await agent.requestBoard()
    isLeftOut(truncated)
    return { tasks: tasks.map(taskFrom), ready, progress: progress.map(noteFrom) }
  }
  const { items, progress, ready, ...first } = await agent.ask({ verb: "board" })
  const tasks = [...items]
  for (let after = first.next; after !== undefined;) {
    const page = await agent.ask({ verb: "board", after })
    tasks.push(...page.items)
    after = page.next
  }
  return { tasks, ready, progress }
}

export const board = (called: Called, flags: SeatFlags): Looked =>
  Effect.flatMap(looking(called, flags, ({ agent }) => boardOf(agent)), (plan) => show(called, plan, () => [
    `Tasks (${plan.tasks.length}):`,
    ...plan.tasks.map(({ dependsOn, status, task, title }) =>
      plain(`  [${status}] ${task} — ${title}${dependsOn.length === 0 ? "" : `  (deps: ${dependsOn.join(", ")})`}`)),
    plain(`Ready: ${list(plan.ready, "(none)")}`),
    ...(plan.progress.length === 0 ? [] : ["Recent progress:"]),
    ...plan.progress.slice(-notesShown).map(({ author, kind, task, text }) => plain(`  ${author} [${kind}] ${task === "" ? "-" : task}: ${text}`))
  ]))

export const manifest = (called: Called, flags: SeatFlags & { readonly taskClass?: string }): Looked =>
  Effect.flatMap(looking(called, flags, async ({ agent }) => {
    const { manifest: told, truncated } = await agent.requestManifest()
    isLeftOut(truncated)
    const cards = told.map(cardFrom)
    return flags.taskClass === undefined ? cards : cards.filter(({ taskClasses }) => taskClasses.includes(flags.taskClass ?? ""))
  }), (cards) => show(called, cards, () => [
    `Agents (${cards.length}):`,
    ...cards.map(({ description, model, seat, taskClasses }) =>
      plain(`  ${seat} [${list(taskClasses, "none")}] model=${model === "" ? "-" : model}: ${description}`))
  ]))
