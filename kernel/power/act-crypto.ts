// Hashes and Ed25519 for the tokens of the edge, synchronous: what is checked on the way of every request.
import { createPublicKey, hash, verify, type KeyObject } from "node:crypto"
import type { ActCrypto } from "../guard/act/chain.ts"
import { publicKeysMax } from "../limits.ts"

/** What stands before the 32 bytes of an Ed25519 key in its DER form. */
const prefix = Buffer.from("302a300506032b6570032100", "hex")
const keyBytes = 32

/** Importing one takes a tenth of the time of a check, and the same few come again. */
const ready = new Map<string, KeyObject>()

const keyOf = (x: string): KeyObject => {
  const known = ready.get(x)
  if (known !== undefined) return known
  const bytes = Buffer.from(x, "base64url")
  if (bytes.length !== keyBytes) throw new RangeError("not an Ed25519 key")
  const key = createPublicKey({ key: Buffer.concat([prefix, bytes]), format: "der", type: "spki" })
  if (ready.size >= publicKeysMax) for (const oldest of ready.keys()) {
    ready.delete(oldest)
    break
  }
  ready.set(x, key)
  return key
}

export const actCrypto: ActCrypto = {
  sha256: (text) => hash("sha256", text, "base64url"),
  sha256Of: (bytes) => hash("sha256", bytes, "base64url"),
  verify: (x, signed, signature) => {
    try {
      return verify(null, Buffer.from(signed, "latin1"), keyOf(x), signature)
    } catch {
      return false
    }
  }
}
