// Programs that a kernel starts: a system of this process, docked over its standard input and output. Everything else that
// writes to standard output is sent to standard error, because what stands there is the pipe's.
import { Writable } from "node:stream"
import type { System } from "../protocol/manifest.ts"
import type { PipeFrame } from "../protocol/stdio.ts"
import { makePipe, type Pipe } from "./client/pipe.ts"

/** Hands on each line of a stream of text, however its pieces come. */
export const onLines = (stream: NodeJS.ReadableStream, take: (line: string) => void): void => {
  let parts: Array<string> = []
  stream.setEncoding("utf8")
  stream.on("data", (chunk: string) => {
    const lines = chunk.split("\n")
    for (let at = 0; at < lines.length - 1; at++) {
      take(parts.length === 0 ? lines[at]! : parts.join("") + lines[at]!)
      parts = []
    }
    const rest = lines.at(-1)!
    if (rest !== "") parts.push(rest)
  })
}

/** Opens the pipe of this process. It ends with the pipe. */
export const standardPipe = (load?: (frame: Extract<PipeFrame, { readonly frame: "load" }>) => void): Pipe => {
  const out = process.stdout
  const write = out.write.bind(out)
  // A module that prints must not end its own process.
  out.write = ((...given: Parameters<typeof process.stderr.write>) => process.stderr.write(...given)) as typeof out.write // the same shape
  const sink = new Writable({
    decodeStrings: false,
    highWaterMark: 1_048_576,
    write: (line: string, _, done) => void write(line, () => done())
  })
  const pipe = makePipe({
    wire: { send: (line) => void sink.write(`${line}\n`), bufferedAmount: () => sink.writableLength },
    ...(load === undefined ? {} : { load })
  })
  onLines(process.stdin, (line) => {
    if (line !== "") pipe.hear(line)
  })
  const end = (): never => process.exit(0)
  for (const event of ["end", "close", "error"]) process.stdin.on(event, end)
  out.on("error", end)
  return pipe
}

/**
 * Docks a system at the kernel that started this process: `defineModule({ … })`, a `BaseSystem`, or any other. Resolves when
 * it is docked; the process lives as long as its pipe.
 */
export const dockOnStdio = (system: System): Promise<void> => standardPipe().dock(system)
