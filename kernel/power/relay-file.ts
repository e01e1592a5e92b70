// The file of a relay, for whoever may write it: appended to, and trimmed by a rename, so that a reader finds the old file or the new one.
import { randomUUID } from "node:crypto"
import { mkdir, open, realpath, rename, unlink, type FileHandle } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { relayHead, relayHeadOf, relayTrim, type RelaySink } from "../../protocol/relay.ts"
import { relayBytesMax, relayLinesDefault } from "../limits.ts"

export interface RelayFileOptions {
  readonly path: string
  /** Lines that are kept when it is trimmed, which happens when there are twice as many; 0 and below: all of them, without any bound. */
  readonly linesMax?: number
}

const newline = 10

const whole = async (file: FileHandle): Promise<Buffer> => {
  const { size } = await file.stat()
  const bytes = Buffer.alloc(size)
  let at = 0
  for (let read = -1; at < size && read !== 0; at += read) ({ bytesRead: read } = await file.read(bytes, at, size - at, at))
  return bytes.subarray(0, at)
}

const linesOf = (bytes: Uint8Array): number => {
  let count = 0
  for (const byte of bytes) if (byte === newline) count++
  return count
}

interface Opened {
  readonly append: (lines: ReadonlyArray<string>) => Promise<void>
  readonly close: () => Promise<void>
}

/** Opens or creates the file, and its folder. What a crash left of a last line is ended, so that the next one is whole. */
const opened = async (path: string, linesMax: number): Promise<Opened> => {
  await mkdir(dirname(resolve(path)), { recursive: true })
  let file = await open(path, "a+", 0o600)
  // A link stays one: what it leads to is what is replaced.
  const target = await realpath(path)
  const found = await whole(file)
  if (found.length === 0) await file.appendFile(relayHead(randomUUID(), 0))
  else if (found.at(-1) !== newline) await file.appendFile("\n")
  let lines = linesOf(found) - (relayHeadOf(found).length > 0 ? 1 : 0)
  let bytes = found.length
  let isWhole = true

  const trim = async (): Promise<void> => {
    const old = await whole(file)
    const head = relayHeadOf(old)
    const body = old.subarray(head.length)
    const from = relayTrim(body, linesMax, relayBytesMax / 2)
    const temporary = `${target}.${randomUUID()}.tmp`
    const { mode } = await file.stat()
    const next = await open(temporary, "ax+", mode & 0o777)
    try {
      await next.writeFile(relayHead(head.generation === "" ? randomUUID() : head.generation, head.base + from))
      await next.appendFile(body.subarray(from))
      await next.sync()
      await rename(temporary, target)
    } catch (error) {
      await next.close()
      await unlink(temporary).catch(() => undefined)
      throw error
    }
    await file.close()
    file = next
    lines = linesOf(body.subarray(from))
    bytes = body.length - from
  }

  return {
    // Trimmed before it grows: what cannot be trimmed takes no more lines, and what was refused was not written.
    append: async (added) => {
      if (linesMax > 0 && (lines >= 2 * linesMax || bytes >= relayBytesMax)) await trim()
      if (added.length === 0) return
      const text = `${isWhole ? "" : "\n"}${added.map((line) => `${line}\n`).join("")}`
      isWhole = false
      await file.appendFile(text)
      isWhole = true
      lines += added.length
      bytes += Buffer.byteLength(text)
    },
    close: () => file.close()
  }
}

/** The file is opened with the first lines; none at all open it too. One that cannot be opened is tried again with the next ones, and one that was closed is opened again. */
export const relayFile = ({ linesMax = relayLinesDefault, path }: RelayFileOptions): RelaySink => {
  let file: Opened | undefined
  let last: Promise<unknown> = Promise.resolve()
  return {
    append: (lines) => {
      const written = last.then(async () => {
        file ??= await opened(path, linesMax)
        await file.append(lines)
      })
      last = written.catch(() => undefined)
      return written
    },
    close: async () => {
      await last
      const open = file
      file = undefined
      await open?.close()
    }
  }
}
