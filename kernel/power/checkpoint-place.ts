// Checkpoints in files: a folder outside the database with the notes and the key that signs them, and witnesses beside it,
// which are a file elsewhere, a web address, a program, or standard output. A file is appended to and flushed to the disk
// before an append succeeds; one that has grown large is written anew with its newest notes, which cover the older ones.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { spawn } from "node:child_process"
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto"
import { mkdir, open, readFile, rename, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { StoreUnavailable } from "../../protocol/errors.ts"
import { notesOf, type Signer } from "../authority/evidence/checkpoint.ts"
import type { CheckpointPlace } from "../authority/evidence/place.ts"
import { checkpointFileBytesMax, checkpointsKept, witnessMillisMax, witnessWaitingMax } from "../limits.ts"
import type { SigningKey } from "../guard/tokens.ts"
import { keyFile } from "./token-key.ts"

/** A file's path, `stdout`, an http or https address, or a program with its arguments. */
export type Witness = string | { readonly command: ReadonlyArray<string> }

export interface CheckpointPlaceOptions {
  /** Absolute; made when it is missing. */
  readonly folder: string
  /** Paths of files are absolute. */
  readonly witnesses?: ReadonlyArray<Witness>
}

export const notesFile = (folder: string): string => join(folder, "journal.checkpoints")
export const auditKeyFile = (folder: string): string => join(folder, "audit-key.jwk")

const isMissing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT"

export const signerOf = (key: SigningKey): Signer => {
  // Members that Node's key format asks for; the file was checked to hold them.
  const secret = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d: key.d as string, x: key.x as string }, format: "jwk" })
  const open = createPublicKey(secret)
  return {
    publicKey: new Uint8Array(open.export({ type: "spki", format: "der" }).subarray(-32)),
    sign: (text) => new Uint8Array(sign(null, Buffer.from(text, "utf8"), secret)),
    isSigned: (text, signature) => verify(null, Buffer.from(text, "utf8"), open, signature)
  }
}

const readText = (file: string): Promise<string> =>
  readFile(file, "utf8").catch((error: unknown) => {
    if (isMissing(error)) return ""
    throw error
  })

/** Also the name of a new file is on the disk afterwards. */
const flushFolder = async (folder: string): Promise<void> => {
  if (process.platform === "win32") return
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const writeWhole = async (file: string, flags: string, text: string): Promise<void> => {
  const handle = await open(file, flags, 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** One more note at the end of a file. A torn end of an earlier crash, and what is too much, go with a new file. */
const appender = (file: string): ((note: string) => Promise<void>) => {
  let size: number | undefined
  return async (note) => {
    if (size === undefined || size > checkpointFileBytesMax) {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      const { notes, torn } = notesOf(await readText(file))
      if (torn || notes.length > checkpointsKept) {
        await writeWhole(`${file}.part`, "w", notes.slice(-checkpointsKept).map((kept) => `${kept}\n`).join(""))
        await rename(`${file}.part`, file)
      }
      await writeWhole(file, "a", "")
      await flushFolder(dirname(file))
      size = (await stat(file)).size
    }
    const text = `${note}\n`
    // What fails may have left half of it: the next one looks.
    const before = size
    size = undefined
    await writeWhole(file, "a", text)
    size = before + Buffer.byteLength(text)
  }
}

const isAddress = (witness: Witness): witness is string => typeof witness === "string" && /^https?:\/\//u.test(witness)

const run = ([program, ...rest]: ReadonlyArray<string>, note: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(program ?? "", rest, { stdio: ["pipe", "ignore", "ignore"], timeout: witnessMillisMax, killSignal: "SIGKILL" })
    child.on("error", reject)
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`it ended with ${code}`))))
    child.stdin.on("error", () => undefined)
    child.stdin.end(note)
  })

const sender = (witness: Witness): ((note: string) => Promise<void>) => {
  if (typeof witness !== "string") return (note) => run(witness.command, note)
  if (witness === "stdout") return async (note) => void process.stdout.write(`${note}\n`)
  if (!isAddress(witness)) return appender(witness)
  return async (note) => {
    const answer = await fetch(witness, { method: "POST", body: note, headers: { "content-type": "text/plain" }, signal: AbortSignal.timeout(witnessMillisMax) })
    if (!answer.ok) throw new Error(`it answered ${answer.status}`)
  }
}

const nameOf = (witness: Witness): string => (typeof witness === "string" ? witness : witness.command.join(" "))

/** Witnesses get the notes in order and hold nobody up; of one that is slow the newest wait. */
const witnessOf = (witness: Witness): ((note: string) => void) => {
  const send = sender(witness)
  let waiting: Array<string> = []
  let isBusy = false
  const next = (): void => {
    const note = waiting.shift()
    isBusy = note !== undefined
    if (note === undefined) return
    send(note).catch((error: unknown) =>
      Effect.runFork(Effect.logWarning(`the witness ${nameOf(witness)} did not take a checkpoint: ${error instanceof Error ? error.message : String(error)}`))
    ).finally(next)
  }
  return (note) => {
    waiting = [...waiting.slice(1 - witnessWaitingMax), note]
    if (!isBusy) next()
  }
}

export const checkpointPlace = ({ folder, witnesses = [] }: CheckpointPlaceOptions): CheckpointPlace => {
  const file = notesFile(folder)
  const copies = witnesses.filter((witness): witness is string => typeof witness === "string" && witness !== "stdout" && !isAddress(witness))
  // A file is a second place to lose: it is waited for like the first. The others are told when they can be reached.
  const append = [file, ...copies].map(appender)
  const tell = witnesses.filter((witness) => !copies.includes(witness as string)).map(witnessOf)
  const oneAtATime = Semaphore.makeUnsafe(1)
  const kept = <A>(what: string, work: () => Promise<A>): Effect.Effect<A, StoreUnavailable> =>
    oneAtATime.withPermit(Effect.tryPromise({
      try: work,
      catch: (error) => new StoreUnavailable({ reason: `the checkpoints in ${folder} cannot be ${what}: ${error instanceof Error ? error.message : String(error)}` })
    }))
  return {
    where: [folder, ...witnesses.map(nameOf)].join(", "),
    signer: Effect.map(keyFile(auditKeyFile(folder), "audit key"), signerOf),
    notes: kept("read", async () => (await Promise.all([file, ...copies].map(readText))).flatMap((text) => notesOf(text).notes)),
    append: (note) => kept("written", async () => {
      for (const one of append) await one(note)
      for (const one of tell) one(note)
    }),
    setAside: kept("put aside", async () => {
      const mark = `set-aside-${Date.now()}`
      for (const one of [file, ...copies]) {
        await rename(one, `${one}.${mark}`).catch((error: unknown) => {
          if (!isMissing(error)) throw error
        })
      }
      return `${file}.${mark}`
    })
  }
}
