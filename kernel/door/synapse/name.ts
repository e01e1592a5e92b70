// Which names a connection may bind, and what a hub calls itself.
import { randomBytes } from "node:crypto"
import { isSystemId } from "../../../protocol/names.ts"
import { systemOfSeat } from "../../../protocol/coordination.ts"
import { hubSender } from "../../../protocol/synapse.ts"
import { synapseNameBytesMax } from "../../limits.ts"

/** What the hub says itself, what means everybody, and who the kernel is. */
const reserved: ReadonlySet<string> = new Set([hubSender, "System", "all", "aaax", "operator", "terminal"].map((name) => name.toLowerCase()))

const unspeakable = /[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}*,]/u

/** As much of a name as one may have, so that what is said of it fits into a frame. */
export const shownName = (name: string): string => (name.length > synapseNameBytesMax ? `${name.slice(0, synapseNameBytesMax)}…` : name)

/** Why nobody may have this name, or nothing. */
export const nameRefusal = (name: string): string | undefined => {
  const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name
  if (name === "") return "A name is required."
  if (name.length > synapseNameBytesMax || Buffer.byteLength(name) > synapseNameBytesMax) return `Name '${shown}' has more than ${synapseNameBytesMax} bytes.`
  if (unspeakable.test(name)) return "A name holds no control character, no '*' and no ','."
  if (reserved.has(name.toLowerCase())) return `Name '${name}' is reserved.`
  return isSystemId(systemOfSeat(name)) ? undefined : `Name '${shown}' is too long.`
}

export const conflictOf = (name: string): string => `Name '${name}' is already online from another session. Use a unique --name.`
export const takenText = (name: string): string => `Name '${name}' belongs to a system of this constellation. Use a unique --name.`
export const switchOf = (before: string, after: string): string => `Sender name switch denied: '${before}' -> '${shownName(after)}'. Reconnect with a new --name.`
export const besideDenied = (name: string): string => `Name '${name}' is online from a connection that has shown more than this one: show a token as good. Use a unique --name.`
export const besideFull = (name: string, most: number): string => `Name '${name}' has ${most} connections beside it, which is as many as there may be.`

/** Another one with every start. */
export const hubId = (): string => `syn-${randomBytes(4).toString("hex")}`
