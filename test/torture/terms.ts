// What the torturer and the tortured say to each other.

/** Where a process is killed on purpose, besides at random moments. */
export const points = ["before intent", "intent to effect", "effect to receipt", "receipt to reply"] as const
export type Point = (typeof points)[number]

export interface Instructions {
  readonly store: string
  /** The file that the executor appends to. */
  readonly effects: string
  readonly point?: Point
  /** Die when the point is reached for the n-th time. */
  readonly countdown: number
  /** Pieces of work that were begun and not completed. */
  readonly open: ReadonlyArray<number>
  /** Number of the next piece. */
  readonly next: number
  /** Begin nothing new; complete everything and tell what the store holds. */
  readonly finish: boolean
}

export type Told =
  | { readonly told: "boot"; readonly boot: number; readonly chain: boolean; readonly problems: ReadonlyArray<string> }
  | { readonly told: "begin"; readonly n: number }
  | { readonly told: "note" | "task" | "request"; readonly n: number; readonly id: string }
  | { readonly told: "reply"; readonly n: number; readonly id: string; readonly kind: string }
  | { readonly told: "unknown"; readonly warrant: string; readonly happened: boolean }
  | {
      readonly told: "end"
      readonly chain: boolean
      readonly notes: ReadonlyArray<string>
      readonly tasks: ReadonlyArray<string>
      /** The task of each fact. */
      readonly facts: ReadonlyArray<string>
      readonly started: ReadonlyArray<string>
      readonly replies: ReadonlyArray<readonly [string, ReadonlyArray<string>]>
      readonly unknown: ReadonlyArray<string>
      readonly problems: ReadonlyArray<string>
    }

/** What a numbered action is for: most are simply allowed, some need a human, some come with a forged token. */
export const expectation = (n: number): "allowed" | "approved" | "refused" | "forged" => {
  if (n % 7 === 0) return "forged"
  if (n % 10 === 5) return "approved"
  return n % 10 === 9 ? "refused" : "allowed"
}

/** Channels over which two processes exchange events. */
export const asks = "exchange.asks"
export const answers = "exchange.answers"

/** What one of the two is told. */
export interface PartyTerms {
  readonly party: "asker" | "answerer"
  readonly url: string
  readonly token: string
  /** How many it asks. */
  readonly events: number
}

/** What it says of itself. */
export type PartyTold =
  | { readonly told: "ready" }
  | { readonly told: "docked" }
  | { readonly told: "took"; readonly channel: string; readonly items: ReadonlyArray<readonly [cursor: number, epoch: number]> }
  | { readonly told: "done" }
