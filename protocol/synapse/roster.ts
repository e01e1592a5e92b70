// Who is online, as the presence channel tells it, sorted.
import type { PresenceEntries } from "../coordination.ts"

export interface Roster {
  readonly online: () => ReadonlyArray<string>
  readonly joined: (seat: string) => void
  readonly left: (seat: string) => void
}

const placeOf = (names: ReadonlyArray<string>, name: string): number => {
  let from = 0
  let to = names.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (names[middle]! < name) from = middle + 1
    else to = middle
  }
  return from
}

export const makeRoster = (): Roster => {
  const names: Array<string> = []
  return {
    online: () => names,
    joined: (seat) => {
      const at = placeOf(names, seat)
      if (names[at] !== seat) names.splice(at, 0, seat)
    },
    left: (seat) => {
      const at = placeOf(names, seat)
      if (names[at] === seat) names.splice(at, 1)
    }
  }
}

/** Any entry of the presence channel; those that say nothing of who is here change nothing. */
export const foldRoster = (roster: Roster, kind: string, payload: unknown): void => {
  if (kind === "joined") roster.joined((payload as PresenceEntries["joined"]).seat) // the coordinator wrote it
  else if (kind === "left") roster.left((payload as PresenceEntries["left"]).seat) // as above
}
