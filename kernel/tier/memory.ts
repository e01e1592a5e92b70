// Memory of a program and of all that it started, as the operating system counts it.
import { readFileSync } from "node:fs"

const pageBytes = 4_096

const childrenOf = (pid: number): ReadonlyArray<number> => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter((text) => text !== "").map(Number)
  } catch {
    return []
  }
}

const ownBytes = (pid: number): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * pageBytes
  } catch {
    return 0
  }
}

/** Bytes in memory; 0 where the system does not tell. `depth` bounds how far its descendants are followed. */
export const memoryOf = (pid: number, depth = 8): number =>
  ownBytes(pid) + (depth === 0 ? 0 : childrenOf(pid).reduce((sum, child) => sum + memoryOf(child, depth - 1), 0))
