// Lines of a program, as they come: never more than one line of bounded length is held.
import { StringDecoder } from "node:string_decoder"

export interface Lines {
  readonly take: (bytes: Uint8Array) => void
}

/** `onTooLong` is called once; what comes afterwards is thrown away. */
export const makeLines = (bytesMax: number, onLine: (line: string) => void, onTooLong: () => void): Lines => {
  const decoder = new StringDecoder("utf8")
  let parts: Array<string> = []
  let held = 0
  let over = false
  return {
    take: (bytes) => {
      let from = 0
      while (!over && from < bytes.byteLength) {
        const end = bytes.indexOf(10, from)
        const piece = bytes.subarray(from, end === -1 ? bytes.byteLength : end)
        held += piece.byteLength
        if (held > bytesMax) {
          over = true
          parts = []
          return onTooLong()
        }
        const text = decoder.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
        if (end === -1) return void parts.push(text)
        const line = parts.length === 0 ? text : parts.join("") + text
        parts = []
        held = 0
        from = end + 1
        onLine(line)
      }
    }
  }
}
