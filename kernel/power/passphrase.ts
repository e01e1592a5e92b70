// The passphrase that approvals may be proved with: kept as a scrypt hash, in a file for its owner alone beside the store.
import * as Effect from "effect/Effect"
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto"
import { constants, closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { parsePassphraseHash, type PassphraseHash } from "../guard/passphrase.ts"

/** Characters of a passphrase, at least and at most. */
export const passphraseLengthMin = 8
export const passphraseLengthMax = 1_024

const derive = (given: string, { blockSize, cost, parallelism, salt }: Omit<PassphraseHash, "hash">): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const memory = 128 * cost * blockSize * parallelism
    scrypt(given.normalize("NFC"), Buffer.from(salt, "base64url"), 32, { N: cost, r: blockSize, p: parallelism, maxmem: memory + 1_048_576 }, (error, key) =>
      error === null ? resolve(key) : reject(error))
  })

/** What is kept of a passphrase. */
export const hashPassphrase = async (given: string): Promise<string> => {
  const made = { cost: 32_768, blockSize: 8, parallelism: 1, salt: randomBytes(16).toString("base64url") }
  const key = await derive(given, made)
  return `scrypt$${made.cost}$${made.blockSize}$${made.parallelism}$${made.salt}$${key.toString("base64url")}`
}

/** Whether a passphrase is the one that a hash was made of; a text that is no hash is of none. */
export const passphraseOf = (text: string): ((given: string) => Effect.Effect<boolean>) => {
  const kept = parsePassphraseHash(text)
  if (kept === undefined) return () => Effect.succeed(false)
  const wanted = Buffer.from(kept.hash, "base64url")
  return (given) =>
    given.length > passphraseLengthMax
      ? Effect.succeed(false)
      : Effect.promise(async () => {
          const key = await derive(given, kept)
          return key.length === wanted.length && timingSafeEqual(key, wanted)
        })
}

const unusable = (file: string, reason: string): ConfigInvalid => new ConfigInvalid({ issues: [{ file, path: "", reason: `${reason}.` }] })

/** The hash in a file; nothing when there is none. Read once, at the start: who writes it later is not believed before the next. */
export const readPassphrase = (file: string): Effect.Effect<string | undefined, ConfigInvalid> =>
  Effect.try({
    try: () => {
      let handle: number
      try {
        handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
        throw unusable(file, "the passphrase of approvals cannot be opened")
      }
      try {
        const found = fstatSync(handle)
        // Windows keeps no such bits.
        if (process.platform !== "win32" && (found.mode & 0o077) !== 0) throw unusable(file, "the passphrase of approvals can be read by others; chmod 600 it, or set it anew")
        if (process.getuid !== undefined && found.uid !== process.getuid()) throw unusable(file, "the passphrase of approvals belongs to another user")
        const text = readFileSync(handle, "utf8").trim()
        if (parsePassphraseHash(text) === undefined) throw unusable(file, "it holds no passphrase; set it anew: aaax gate passphrase set")
        return text
      } finally {
        closeSync(handle)
      }
    },
    catch: (error) => (error instanceof ConfigInvalid ? error : unusable(file, "the passphrase of approvals cannot be read"))
  })

/** Whole or not at all. */
export const writePassphrase = (file: string, hash: string): void => {
  const partial = `${file}.${process.pid}.part`
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const handle = openSync(partial, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  try {
    writeSync(handle, `${hash}\n`)
    fsyncSync(handle)
  } catch (error) {
    unlinkSync(partial)
    throw error
  } finally {
    closeSync(handle)
  }
  renameSync(partial, file)
}
