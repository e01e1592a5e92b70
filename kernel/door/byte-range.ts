// One range of bytes, as a client asks for it. Several ranges at once are not offered: all of it is answered then.
import type { ByteRange } from "../../protocol/artifact.ts"

/** The range that is meant; nothing: all of it. `unsatisfiable`: it begins behind the end. */
export const rangeOf = (header: string | undefined, sizeBytes: number): ByteRange | "unsatisfiable" | undefined => {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/u.exec(header?.trim() ?? "") ?? []
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined
  if (first === "") {
    const count = Number(last)
    return count === 0 || sizeBytes === 0 ? "unsatisfiable" : { from: Math.max(0, sizeBytes - count), to: sizeBytes - 1 }
  }
  const from = Number(first)
  const to = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  if (from >= sizeBytes) return "unsatisfiable"
  return to < from ? undefined : { from, to }
}
