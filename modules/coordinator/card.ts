// Cards, which say what a seat can do, and offers of resources: each stands as long as it is said again.
import type { coordination } from "aaax"
import type { Asker, Desk } from "./desk.ts"
import { offerKey } from "./fold.ts"
import { offerMillis, offersPerSeatMax } from "./limits.ts"
import * as refusal from "./refusal.ts"
import type { State } from "./state.ts"

type Ask<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>

const tagsOf = (tags: ReadonlyArray<string> | undefined): ReadonlyArray<string> => [...new Set((tags ?? []).map((tag) => tag.trim()).filter((tag) => tag !== ""))]

export const advertise = (desk: Desk, by: Asker, ask: Ask<"advertise">): coordination.Answer<"advertise"> => {
  const card: coordination.Card = {
    seat: by.seat, description: ask.description?.trim() ?? "", skills: tagsOf(ask.skills), taskClasses: tagsOf(ask.taskClasses), model: ask.model?.trim() ?? "",
    meta: ask.meta ?? {}, at: desk.now
  }
  desk.state.cards.set(by.seat, card)
  desk.state.timers.add(desk.now + offerMillis + 1, "card", by.seat)
  desk.show("advertised", { card }, by.id)
  return { ok: true, card }
}

export const withdraw = (desk: Desk, seat: string): void => {
  if (desk.state.cards.delete(seat)) desk.show("withdrawn", { seat })
}

export const cardIsDue = (desk: Desk, seat: string): void => {
  const card = desk.state.cards.get(seat)
  if (card !== undefined && desk.now > card.at + offerMillis) withdraw(desk, seat)
}

/** The cards that stand, by seat; of a task class, those that name it. */
export const manifest = (state: State, taskClass: string | undefined): coordination.Answer<"manifest"> => ({
  ok: true,
  cards: [...state.cards.values()].filter((card) => taskClass === undefined || card.taskClasses.includes(taskClass)).sort(bySeat)
})

const bySeat = (a: { readonly seat: string }, b: { readonly seat: string }): number => (a.seat < b.seat ? -1 : a.seat > b.seat ? 1 : 0)

export const offer = (desk: Desk, by: Asker, ask: Ask<"offer">, applied: coordination.Applied | undefined): coordination.Answer<"offer"> => {
  const [kind, name] = [ask.kind.trim(), ask.name.trim()]
  if (kind === "" || name === "") return refusal.offerIncomplete
  const made: coordination.Offer = { seat: by.seat, kind, name, capacity: Math.max(1, ask.capacity ?? 1), meta: ask.meta ?? {}, at: desk.now }
  if (!desk.state.offers.has(offerKey(made))) {
    let count = 0
    for (const one of desk.state.offers.values()) if (one.seat === by.seat) count++
    if (count >= offersPerSeatMax) return refusal.full(`Offers of ${by.seat}`, offersPerSeatMax)
  }
  desk.say({ kind: "offered", payload: { offer: made, ...(applied === undefined ? {} : { applied }) } }, by.id)
  return { ok: true, offer: made }
}

export const offerIsDue = (desk: Desk, key: string): void => {
  const made = desk.state.offers.get(key)
  if (made !== undefined && desk.now > made.at + offerMillis) desk.state.offers.delete(key)
}

/** The offers that stand, by seat, kind and name. */
export const offersOf = (state: State, now: number): ReadonlyArray<coordination.Offer> =>
  [...state.offers].filter(([, made]) => now <= made.at + offerMillis)
    .map(([, made]) => made)
    .sort((a, b) => bySeat(a, b) || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
