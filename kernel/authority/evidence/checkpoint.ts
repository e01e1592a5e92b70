// A checkpoint: what the journal was at one size, signed. The text is a C2SP tlog-checkpoint in a signed note, with three
// lines of our own behind the root:
//
//   aaax.journal/0f3a…                   origin: the first entry's hash, its first 32 digits
//   42                                   entries
//   q83v…=                               Merkle root, base64
//   chain 90c1…                          hash of the newest entry
//   cursor 42                            where that entry lies
//   snapshot 30 77ab…                    cursor and sha-256 of the newest snapshot of the fold, when there is one
//
//   — aaax.journal/0f3a… Qx…=            Ed25519 over the text above, behind the four bytes that name the key
//
// Checkpoints that lie in one file are separated by an empty line.
import type { Cursor } from "../../../protocol/names.ts"
import type { Sha256 } from "./merkle.ts"

export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  /** Empty for an empty journal. */
  readonly chain: string
  readonly cursor: Cursor
  readonly snapshot?: { readonly cursor: Cursor; readonly sha256: string }
}

export interface SignedCheckpoint extends Checkpoint {
  /** The whole note, as it was written. */
  readonly note: string
}

export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly sign: (text: string) => Uint8Array
  readonly isSigned: (text: string, signature: Uint8Array) => boolean
}

export const base64Of = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** The bytes of base64 in its one canonical spelling. */
export const bytesOfBase64 = (text: string): Uint8Array | undefined => {
  try {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
    return base64Of(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}

/** The name of a log: no other begins with the same entry. */
export const originOf = (firstHash: string): string => `aaax.journal/${firstHash.slice(0, 32)}`

export const textOf = ({ chain, cursor, origin, root, size, snapshot }: Checkpoint): string =>
  `${origin}\n${size}\n${base64Of(root)}\nchain ${chain === "" ? "-" : chain}\ncursor ${cursor}\n` +
  (snapshot === undefined ? "" : `snapshot ${snapshot.cursor} ${snapshot.sha256}\n`)

/** The first bytes of a signature line: which key, of which name. */
const keyId = (sha256: Sha256, name: string, publicKey: Uint8Array): Uint8Array => {
  const head = new TextEncoder().encode(`${name}\n`)
  const bytes = new Uint8Array(head.length + 1 + publicKey.length)
  bytes.set(head)
  bytes[head.length] = 1
  bytes.set(publicKey, head.length + 1)
  return sha256(bytes).subarray(0, 4)
}

export const sign = (sha256: Sha256, signer: Signer, checkpoint: Checkpoint): SignedCheckpoint => {
  const text = textOf(checkpoint)
  const signature = signer.sign(text)
  const line = new Uint8Array(4 + signature.length)
  line.set(keyId(sha256, checkpoint.origin, signer.publicKey))
  line.set(signature, 4)
  return { ...checkpoint, note: `${text}\n— ${checkpoint.origin} ${base64Of(line)}\n` }
}

const form =
  /^(?<text>(?<origin>aaax\.journal\/[0-9a-f]*)\n(?<size>0|[1-9]\d{0,15})\n(?<root>[A-Za-z0-9+/]{43}=)\nchain (?<chain>-|[0-9a-f]{64})\ncursor (?<cursor>0|[1-9]\d{0,15})\n(?:snapshot (?<at>[1-9]\d{0,15}) (?<sha>[0-9a-f]{64})\n)?)\n— (?<name>\S+) (?<signature>[A-Za-z0-9+/]+=*)\n$/u

/** Reads a note and checks its signature. Says what is wrong when it is not one that this key made. */
export const open = (sha256: Sha256, signer: Signer, note: string): SignedCheckpoint | string => {
  const parts = form.exec(note)?.groups
  if (parts === undefined) return "it is no checkpoint"
  const root = bytesOfBase64(parts["root"]!)
  const line = bytesOfBase64(parts["signature"]!)
  if (root === undefined || line === undefined || line.length !== 68 || parts["name"] !== parts["origin"]) return "it is no checkpoint"
  const id = keyId(sha256, parts["origin"]!, signer.publicKey)
  if (id.some((byte, at) => byte !== line[at])) return "it is signed with another key"
  if (!signer.isSigned(parts["text"]!, line.subarray(4))) return "its signature is wrong"
  return {
    origin: parts["origin"]!, size: Number(parts["size"]), root, chain: parts["chain"] === "-" ? "" : parts["chain"]!, cursor: Number(parts["cursor"]),
    ...(parts["at"] === undefined ? {} : { snapshot: { cursor: Number(parts["at"]), sha256: parts["sha"]! } }),
    note
  }
}

/** The notes of a file; `torn` when its end is not a whole one, as a crash leaves it. */
export const notesOf = (file: string): { readonly notes: ReadonlyArray<string>; readonly torn: boolean } => {
  const notes: Array<string> = []
  let from = 0
  for (;;) {
    // A note holds one empty line, before its signature; the next one ends it.
    const inner = file.indexOf("\n\n", from)
    const end = inner === -1 ? -1 : file.indexOf("\n\n", inner + 2)
    if (end === -1) return { notes, torn: from < file.length }
    notes.push(file.slice(from, end + 1))
    from = end + 2
  }
}
