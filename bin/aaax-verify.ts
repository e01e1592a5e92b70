#!/usr/bin/env node
// aaax-verify: checks evidence of an aaax kernel on any machine that has Node. It reads one file and writes what it found;
// it opens no connection, and it shares no code with the kernel, so that it can be read on its own and believed.
//
//   aaax-verify BUNDLE [--key KEY] [--checkpoint FILE] [--json]
//   aaax-verify RECEIPT --key KEY [--bundle BUNDLE] [--json]
//
// Exit 0: everything holds. 1: something does not, and it is named. 2: it was called in a way that it does not know.
import { createHash, createPublicKey, verify as isSignature } from "node:crypto"
import { readFileSync, realpathSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }
type Fields = { readonly [key: string]: Json }

/** `problems` in words, the first one first; `firstBad` is the position of the first entry that is wrong. */
export interface Verdict extends Partial<Record<"entries" | "firstBad" | "size", number>>, Partial<Record<"key" | "root", string>> {
  readonly ok: boolean
  readonly what: "bundle" | "receipt"
  readonly problems: ReadonlyArray<string>
  readonly claims?: Json
}

// --- Bytes
const sha256 = (...parts: ReadonlyArray<string | Uint8Array>): Buffer => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** JSON in the one spelling that RFC 8785 allows. */
const canonical = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  return `{${Object.keys(value).sort((a, b) => (a < b ? -1 : 1)).map((key) => `${JSON.stringify(key)}:${canonical((value as Fields)[key]!)}`).join(",")}}`
}

const fieldsOf = (value: Json | undefined): Fields => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {})
const hexList = (value: Json | undefined): ReadonlyArray<Buffer> | undefined =>
  Array.isArray(value) && value.every((item) => typeof item === "string" && /^[0-9a-f]{64}$/.test(item)) ? value.map((item) => Buffer.from(String(item), "hex")) : undefined

/** An Ed25519 public key from the 32 bytes that are written as base64url. */
const keyOf = (text: string): ReturnType<typeof createPublicKey> | undefined => {
  const raw = Buffer.from(text, "base64url")
  if (raw.length !== 32 || raw.toString("base64url") !== text) return undefined
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: text }, format: "jwk" })
}

// --- The Merkle tree of RFC 6962
const leafOf = (cursor: number, hash: string): Buffer => sha256(Buffer.of(0), `${cursor}\n${hash}`)
const nodeOf = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right)

/** The root over leaves that are added one by one: roots of complete subtrees, largest first. */
const makeTree = () => {
  const tops: Array<Buffer> = []
  let size = 0
  return {
    add: (leaf: Buffer): number => {
      let top = leaf
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) top = nodeOf(tops.pop()!, top)
      tops.push(top)
      return ++size
    },
    root: (): string => (tops.length === 0 ? sha256() : tops.reduceRight((right, left) => nodeOf(left, right))).toString("hex")
  }
}

/** RFC 9162, 2.1.3.2: the root that a leaf and its path come to. */
const rootOfInclusion = (leaf: Buffer, index: number, size: number, path: ReadonlyArray<Buffer>): string => {
  let [at, last, top] = [index, size - 1, leaf]
  for (const part of path) {
    if (last === 0) return ""
    if (at % 2 === 1 || at === last) {
      top = nodeOf(part, top)
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)]
    } else top = nodeOf(top, part)
    ;[at, last] = [Math.floor(at / 2), Math.floor(last / 2)]
  }
  return last === 0 && index < size ? top.toString("hex") : ""
}

/** RFC 9162, 2.1.4.2: whether the tree of `from` leaves is the beginning of that of `to`. */
const isBeginning = (from: number, oldRoot: string, to: number, newRoot: string, proof: ReadonlyArray<Buffer>): boolean => {
  if (from === to) return oldRoot === newRoot && proof.length === 0
  if (from <= 0 || from > to || proof.length === 0) return false
  const path = Number.isInteger(Math.log2(from)) ? [Buffer.from(oldRoot, "hex"), ...proof] : proof
  let [fn, sn] = [from - 1, to - 1]
  const half = (): void => void ([fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)])
  while (fn % 2 === 1) half()
  let [fr, sr] = [path[0]!, path[0]!]
  for (const part of path.slice(1)) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      ;[fr, sr] = [nodeOf(part, fr), nodeOf(part, sr)]
      while (fn % 2 === 0 && fn !== 0) half()
    } else sr = nodeOf(sr, part)
    half()
  }
  return sn === 0 && fr.toString("hex") === oldRoot && sr.toString("hex") === newRoot
}

// --- Checkpoints: a C2SP signed note
type Checkpoint = { readonly origin: string; readonly size: number; readonly root: string }

const noteForm = /^((\S+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=)\nchain (?:-|[0-9a-f]{64})\ncursor (?:0|[1-9]\d*)\n(?:snapshot [1-9]\d* [0-9a-f]{64}\n)?)\n— (\S+) ([A-Za-z0-9+/]+=*)\n$/u

/** A checkpoint whose signature holds, or why it does not count. */
const openNote = (note: string, key: string): Checkpoint | string => {
  const [, text = "", origin = "", size = "", root = "", name = "", line = ""] = noteForm.exec(note) ?? []
  const publicKey = keyOf(key)
  const bytes = Buffer.from(line, "base64")
  if (text === "" || name !== origin || bytes.length !== 68 || bytes.toString("base64") !== line || publicKey === undefined) return "it is no checkpoint"
  const id = sha256(`${name}\n`, Buffer.of(1), Buffer.from(key, "base64url")).subarray(0, 4)
  if (!id.equals(bytes.subarray(0, 4))) return "another key signed it"
  if (!isSignature(null, Buffer.from(text), publicKey, bytes.subarray(4))) return "its signature is wrong"
  const digest = Buffer.from(root, "base64")
  return digest.toString("base64") === root ? { origin, size: Number(size), root: digest.toString("hex") } : "it is no checkpoint"
}

const notesOf = (file: string): ReadonlyArray<string> => file.split(/(?<=\n— [^\n]*\n)\n*/u).filter((note) => note.trim() !== "")

// --- Bundles
/**
 * `key` is known from elsewhere; without it the bundle's own says only that it agrees with itself. `checkpoints` were kept
 * elsewhere.
 */
export const verifyBundle = (text: string, expected: { readonly key?: string; readonly checkpoints?: string } = {}): Verdict => {
  const problems: Array<string> = []
  let firstBad: number | undefined
  const bad = (problem: string, cursor?: number): void => {
    if (problems.length < 20) problems.push(problem)
    if (cursor !== undefined && (firstBad === undefined || cursor < firstBad)) firstBad = cursor
  }
  const lines = text.split("\n")
  if (lines.pop() !== "") bad("the last line is torn")
  const parsed = lines.map((line): Fields | undefined => {
    try {
      const value = JSON.parse(line) as Json
      return canonical(value) === line ? fieldsOf(value) : undefined
    } catch {
      return undefined
    }
  })
  const head = parsed[0] ?? {}
  const key = typeof head["key"] === "string" ? head["key"] : ""
  const { whole, dense } = head
  const count = (name: string): number => (Number.isSafeInteger(head[name]) ? Number(head[name]) : -1)
  const [entries, checkpoints, proofs, bodies] = ["entries", "checkpoints", "proofs", "bodies"].map(count) as [number, number, number, number]
  if (canonical(head) !== lines[0] || Object.keys(head).join() !== "bodies,checkpoints,cursors,dense,entries,evidence,first,key,proofs,whole" || head["evidence"] !== 1 ||
    keyOf(key) === undefined || Math.min(entries, checkpoints, proofs, bodies) < 0 || checkpoints < 1 || typeof whole !== "boolean" || typeof dense !== "boolean" ||
    proofs !== (whole ? 0 : checkpoints - 1) || !Array.isArray(head["cursors"]) || head["cursors"].length !== (whole ? 0 : entries)) {
    return { ok: false, what: "bundle", problems: ["line 1, the header, is not one that this verifier knows"] }
  }
  const expectedLines = 1 + entries + checkpoints + proofs + bodies
  if (lines.length !== expectedLines) bad(`the header says ${expectedLines} lines, and there are ${lines.length}`)
  // Where lines are missing or too many, the checkpoints are still found, so that the right entry is named.
  const noted = parsed.findIndex((line) => line !== undefined && Object.keys(line).join() === "checkpoint")
  const base = lines.length === expectedLines || noted < 1 ? 1 + entries : noted
  if (expected.key !== undefined && expected.key !== key) bad(`it is signed with the key ${key}, and not with ${expected.key}`)
  /** The one member of a line, when the line is what it must be. */
  const member = (at: number, name: string): Fields | undefined => {
    const line = parsed[at]
    return line !== undefined && Object.keys(line).join() === name ? fieldsOf(line[name]) : undefined
  }

  // Checkpoints first: everything else is held against them.
  const opened: Array<Checkpoint> = []
  for (let n = 0; n < checkpoints; n++) {
    const note = parsed[base + n]
    const checkpoint = note === undefined || Object.keys(note).join() !== "checkpoint" ? "it is no checkpoint" : openNote(String(note["checkpoint"]), key)
    if (typeof checkpoint === "string") bad(`checkpoint ${n + 1} (line ${base + n + 1}): ${checkpoint}`)
    else if (checkpoint.size <= (opened.at(-1)?.size ?? 0)) bad(`checkpoint ${n + 1} (line ${base + n + 1}) is not larger than the one before it`)
    else if (checkpoint.origin !== `aaax.journal/${String(head["first"])}`) bad(`checkpoint ${n + 1} (line ${base + n + 1}) is of another journal`)
    else opened.push(checkpoint)
  }
  const newest = opened.at(-1)
  const own = notesOf(expected.checkpoints ?? "").map((note) => openNote(note, key))
  const sizes = new Set([...opened, ...own].map((checkpoint) => (typeof checkpoint === "string" ? 0 : checkpoint.size)))

  const tree = makeTree()
  const roots = new Map<number, string>()
  const hashes = new Map<string, Fields>()
  let prev = ""
  let lastIndex = -1
  let lastCursor = 0
  const cursors = head["cursors"] as ReadonlyArray<Json>
  for (let n = 0; n < base - 1; n++) {
    const entry = member(1 + n, "entry")
    const { cursor, hash, index, kind, payload, prev: named } = entry ?? {}
    // Its place says which one it is, whatever it says itself.
    const place = whole ? (dense ? n + 1 : typeof cursor === "number" ? cursor : lastCursor + 1) : typeof cursors[n] === "number" ? Number(cursors[n]) : lastCursor + 1
    const where = `entry #${place} (line ${n + 2})`
    const names = whole ? "cursor,hash,index,kind,payload,prev" : "cursor,hash,index,kind,path,payload,prev"
    if (entry === undefined || Object.keys(entry).join() !== names || typeof cursor !== "number" || typeof index !== "number" || typeof hash !== "string" ||
      typeof kind !== "string" || typeof named !== "string" || payload === undefined) {
      bad(`${where} is not an entry as it is written`, place)
      prev = typeof hash === "string" ? hash : ""
      lastIndex++
      tree.add(leafOf(place, prev))
      continue
    }
    const isNext = index === lastIndex + 1
    if (whole ? !isNext || (dense ? cursor !== place : cursor <= lastCursor) : index <= lastIndex || cursor !== place || cursor <= lastCursor) bad(`${where} is not in its place`, place)
    if ((isNext || index === 0) && named !== (index === 0 ? "" : prev)) bad(`${where} does not follow from the entry before it`, place)
    if (sha256(`${named}\n${kind}\n${canonical(payload)}`).toString("hex") !== hash) bad(`${where} was changed: its hash does not match its content`, place)
    const leaf = leafOf(cursor, hash)
    if (whole) {
      const size = tree.add(leaf)
      if (sizes.has(size)) roots.set(size, tree.root())
    } else {
      const path = hexList(entry["path"])
      if (newest === undefined || path === undefined || rootOfInclusion(leaf, index, newest.size, path) !== newest.root) bad(`${where} is not in the journal that was signed`, place)
    }
    if (index === 0 && hash.slice(0, 32) !== head["first"]) bad(`${where} is not the first entry that the header names`, place)
    if (kind === "action.decided") hashes.set(String(fieldsOf(fieldsOf(payload)["warrant"])["id"]), fieldsOf(fieldsOf(payload)["warrant"]))
    ;[prev, lastIndex, lastCursor] = [hash, index, cursor]
  }
  if (whole && newest !== undefined && newest.size !== entries) bad(`it calls itself whole and has ${entries} entries, and ${newest.size} were signed`)
  let agreed = 0
  for (const { root, size } of whole ? opened : []) {
    if (roots.get(size) === root) agreed = size
    else if (firstBad === undefined) bad(`entries ${agreed + 1} to ${size} are not those that were signed`, agreed + 1)
  }

  for (let n = 0; n < proofs; n++) {
    const at = base + checkpoints + n
    const proof = member(at, "consistency") ?? {}
    const [older, newer] = [opened[n], opened[n + 1]]
    const path = hexList(proof["path"])
    if (older === undefined || newer === undefined || path === undefined || Object.keys(proof).join() !== "from,path,to" || proof["from"] !== older.size ||
      proof["to"] !== newer.size || !isBeginning(older.size, older.root, newer.size, newer.root, path)) bad(`the consistency of two checkpoints (line ${at + 1}) does not hold`)
  }
  const order = [...hashes.keys()]
  let lastBody = -1
  for (let n = 0; n < bodies; n++) {
    const at = base + checkpoints + proofs + n
    const body = member(at, "body") ?? {}
    const warrant = hashes.get(String(body["warrant"]))
    const { action, digest, executor, target } = warrant ?? {}
    if (Object.keys(body).join() !== "payload,warrant" || warrant === undefined || order.indexOf(String(body["warrant"])) <= lastBody ||
      sha256(canonical({ action: action!, executor: executor!, target: target!, payload: body["payload"]! })).toString("hex") !== digest) {
      bad(`the body on line ${at + 1} is not what was decided on`)
    }
    lastBody = order.indexOf(String(body["warrant"]))
  }
  for (const [n, checkpoint] of own.entries()) {
    if (typeof checkpoint === "string") bad(`your checkpoint ${n + 1}: ${checkpoint}`)
    else if (newest !== undefined && checkpoint.size > newest.size) bad(`your checkpoint ${n + 1} is of ${checkpoint.size} entries, and the bundle ends with ${newest.size}: later ones are missing`)
    else if (checkpoint.size > 0) {
      const root = roots.get(checkpoint.size) ?? opened.find(({ size }) => size === checkpoint.size)?.root
      if (root !== checkpoint.root) bad(`your checkpoint ${n + 1} ${root === undefined ? "needs the whole journal to be held against" : "is of another journal"}`)
    }
  }
  return {
    ok: problems.length === 0, what: "bundle", problems, ...(firstBad === undefined ? {} : { firstBad }), key, entries,
    ...(newest === undefined ? {} : { size: newest.size, root: newest.root })
  }
}

// --- Receipts: a compact JWS
/** One receipt on each line. */
export const verifyReceipts = (text: string, key: string, bundle?: string): Verdict => {
  const verdicts = text.trim().split("\n").map((line) => verifyReceipt(line, key, bundle))
  return verdicts.find(({ ok }) => !ok) ?? { ...verdicts[0]!, claims: verdicts.map(({ claims }) => claims ?? null) }
}

export const verifyReceipt = (text: string, key: string, bundle?: string): Verdict => {
  const wrong = (problem: string): Verdict => ({ ok: false, what: "receipt", problems: [problem] })
  const parts = text.trim().split(".")
  const publicKey = keyOf(key)
  if (publicKey === undefined) return wrong("the key is no Ed25519 key in base64url")
  const [header = "", payload = "", signature = ""] = parts
  if (parts.length !== 3 || parts.some((part) => Buffer.from(part, "base64url").toString("base64url") !== part)) return wrong("it is no receipt")
  if (Buffer.from(header, "base64url").toString() !== canonical({ alg: "EdDSA", kid: key, typ: "aaax-receipt+jws" })) return wrong("it is no receipt of this key")
  if (!isSignature(null, Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, "base64url"))) return wrong("its signature is wrong")
  const claims = fieldsOf(JSON.parse(Buffer.from(payload, "base64url").toString()) as Json)
  const { cursor, hash, leaf } = claims
  if (leafOf(Number(cursor), String(hash)).toString("hex") !== leaf) return wrong("its leaf is not that of its entry")
  if (bundle !== undefined) {
    const verdict = verifyBundle(bundle, { key })
    if (!verdict.ok) return { ...verdict, what: "receipt", problems: verdict.problems.map((problem) => `the bundle: ${problem}`) }
    const lines = bundle.split("\n").map((line) => (line === "" ? {} : fieldsOf(fieldsOf(JSON.parse(line) as Json)["entry"])))
    if (!lines.some((entry) => entry["cursor"] === cursor && entry["hash"] === hash)) return wrong(`entry #${String(cursor)} is not in the bundle, or is another one there`)
  }
  return { ok: true, what: "receipt", problems: [], key, claims }
}

// --- The command
const usage = `Usage: aaax-verify BUNDLE [--key KEY] [--checkpoint FILE] [--json]
       aaax-verify RECEIPT --key KEY [--bundle BUNDLE] [--json]

Checks evidence that 'aaax audit export' or 'aaax gate show --receipt' wrote. KEY is the kernel's public key, which you
know from somewhere else: without it a bundle is only held against itself.
`

const main = (args: ReadonlyArray<string>): number => {
  try {
    const text = { type: "string" } as const
    // A key may begin with a dash, which would be taken for an option.
    const joined = args.flatMap((arg, at) => (args[at - 1] === "--key" ? [] : arg === "--key" ? [`--key=${args[at + 1] ?? ""}`] : [arg]))
    const { positionals: [file, ...more], values } = parseArgs({
      args: joined, allowPositionals: true, options: { key: text, checkpoint: text, bundle: text, json: { type: "boolean" }, help: { type: "boolean" } }
    })
    const { bundle, checkpoint, json, key } = values
    if (file === undefined || more.length > 0 || values.help === true) return void process.stderr.write(usage), values.help === true ? 0 : 2
    const read = (path: string): string => readFileSync(path, "utf8")
    const given = read(file)
    const isReceipt = /^(?:[\w-]+\.[\w-]+\.[\w-]+\s*)+$/.test(given)
    if (isReceipt && key === undefined) throw new Error("a receipt needs --key")
    const verdict = isReceipt
      ? verifyReceipts(given, key ?? "", bundle === undefined ? undefined : read(bundle))
      : verifyBundle(given, { ...(key === undefined ? {} : { key }), ...(checkpoint === undefined ? {} : { checkpoints: read(checkpoint) }) })
    const own = key === undefined ? "The key is the bundle's own: compare it with what the kernel's owner told you, or give --key.\n" : ""
    process.stdout.write(
      json === true ? `${JSON.stringify(verdict, null, 2)}\n`
      : !verdict.ok ? `NOT OK  ${verdict.what}\n${verdict.problems.map((problem) => `  ${problem}\n`).join("")}`
      : isReceipt ? `ok  receipts, signed by ${key}\n${JSON.stringify(verdict.claims, null, 2)}\n`
      : `ok  ${verdict.entries} entries, held against ${verdict.size} that were signed\nroot  ${verdict.root}\nkey   ${verdict.key}\n${own}`
    )
    return verdict.ok ? 0 : 1
  } catch (error) {
    process.stderr.write(`aaax-verify: ${error instanceof Error ? error.message : String(error)}\n`)
    return 2
  }
}

// Not where it is a part of another program.
if (process.argv[1] !== undefined && /aaax-verify\.[jt]s$/.test(import.meta.url) && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) process.exitCode = main(process.argv.slice(2))
