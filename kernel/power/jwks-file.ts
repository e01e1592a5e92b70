// A set of public keys in a file: read again when it changed, so that keys rotate by writing it anew.
import { readFile, stat } from "node:fs/promises"
import type { JSONWebKeySet } from "jose"

/** What is looked at of a file before it is parsed, in bytes. */
const sizeMax = 1_048_576

/** For `JWTChannelSecurity({ jwks: jwksFile("keys.json") })`. While the file cannot be read, no token is good. */
export const jwksFile = (file: string): (() => Promise<JSONWebKeySet>) => {
  let kept: { readonly set: JSONWebKeySet; readonly mark: string } | undefined
  return async () => {
    const { mtimeMs, size } = await stat(file)
    const mark = `${mtimeMs} ${size}`
    if (kept?.mark !== mark) {
      if (size > sizeMax) throw new RangeError(`${file} is too large for a set of keys.`)
      // Whoever verifies with it checks each key that it takes.
      kept = { set: JSON.parse(await readFile(file, "utf8")) as JSONWebKeySet, mark }
    }
    return kept.set
  }
}
