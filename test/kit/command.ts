// A command of the command line, run in this process: what it wrote, and its exit code.
import { vi } from "vitest"
import { run } from "../../bin/main.ts"

export interface Told {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Not for commands that stay, nor for two at once: they write to one stdout. */
export const aaax = async (...args: ReadonlyArray<string>): Promise<Told> => {
  let stdout = ""
  let stderr = ""
  const take = (into: (text: string) => void) => (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>): boolean => {
    into(typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk))
    const done = rest.find((one) => typeof one === "function")
    if (typeof done === "function") done()
    return true
  }
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(take((text) => (stdout += text)) as never),
    vi.spyOn(process.stderr, "write").mockImplementation(take((text) => (stderr += text)) as never)
  ]
  try {
    return { code: await run(args), stdout, stderr }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

/** What was written, one object per line. */
export const objectsOf = <A = Readonly<Record<string, unknown>>>({ stdout }: Told): ReadonlyArray<A> =>
  stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as A)
