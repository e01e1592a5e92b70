// The terminal that this process sits in front of: its error output when that is one, else the controlling terminal. A file
// or a pipe is none: what is shown there can be read by others, and later.
import { openSync, writeSync } from "node:fs"
import { isatty } from "node:tty"

/** Shows a line there; nothing when there is no terminal. */
export const ownTerminal = (): ((line: string) => void) | undefined => {
  const to = (handle: number) => (line: string): void => {
    try {
      writeSync(handle, `\r\u001b[Kaaax  ${line}\n`)
    } catch {
      // It was closed: nobody sees the line, and whoever needs it asks again.
    }
  }
  if (isatty(2)) return to(2)
  try {
    const handle = openSync("/dev/tty", "w")
    return isatty(handle) ? to(handle) : undefined
  } catch {
    return undefined
  }
}
