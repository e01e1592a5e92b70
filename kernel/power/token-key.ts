// A private key of the kernel's: a file for its owner alone, beside the store and not in it, so that a copy of the store is
// no copy of the key. Made at the first use. One signs tokens, another the journal's checkpoints.
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { constants, closeSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import { StoreUnavailable } from "../../protocol/errors.ts"
import { newSigningKey, type SigningKey } from "../guard/tokens.ts"

const unusable = (file: string, what: string, reason: string): StoreUnavailable => new StoreUnavailable({ reason: `the ${what} ${file} ${reason}` })

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)

/** The key that is there; nothing when there is none. Throws what makes it unusable. */
const readKey = (file: string, what: string): SigningKey | undefined => {
  let handle: number
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw unusable(file, what, `cannot be opened (${String(codeOf(error))})`)
  }
  try {
    const found = fstatSync(handle)
    if (!found.isFile()) throw unusable(file, what, "is not a file")
    // Windows keeps no such bits.
    if (process.platform !== "win32" && (found.mode & 0o077) !== 0) {
      throw unusable(file, what, `can be read by others (mode ${(found.mode & 0o777).toString(8)}): anyone may have copied it. Remove it, or chmod 600 it when you are sure`)
    }
    if (process.getuid !== undefined && found.uid !== process.getuid()) throw unusable(file, what, "belongs to another user")
    const key: unknown = JSON.parse(readFileSync(handle, "utf8"))
    if (typeof key === "object" && key !== null && "crv" in key && key.crv === "Ed25519" && "d" in key && typeof key.d === "string") {
      return key as SigningKey // a private Ed25519 key, as was just seen
    }
    throw unusable(file, what, "holds no Ed25519 key")
  } catch (error) {
    throw error instanceof StoreUnavailable ? error : unusable(file, what, "holds no key")
  } finally {
    closeSync(handle)
  }
}

/** Whole or not at all, and never over one that is there: of two who come at once, one's key is everybody's. */
const writeKey = (file: string, key: SigningKey): void => {
  const partial = `${file}.${randomUUID()}.part`
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const handle = openSync(partial, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  try {
    writeSync(handle, `${JSON.stringify(key)}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  try {
    linkSync(partial, file)
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
  } finally {
    unlinkSync(partial)
  }
}

/** The key in a file, made when none is there; `what` names it in refusals. */
export const keyFile = (file: string, what: string): Effect.Effect<SigningKey, StoreUnavailable> =>
  Effect.tryPromise({
    try: async () => {
      const kept = readKey(file, what)
      if (kept !== undefined) return kept
      writeKey(file, await newSigningKey())
      const made = readKey(file, what)
      if (made === undefined) throw unusable(file, what, "is gone again")
      return made
    },
    catch: (error) => (error instanceof StoreUnavailable ? error : unusable(file, what, `cannot be kept (${error instanceof Error ? error.message : "unknown"})`))
  })

export const tokenKeyFile = (file: string): Effect.Effect<SigningKey, StoreUnavailable> => keyFile(file, "token key")
