// Ends what runs under a lock when the one that holds the lock was killed itself: it can renew nothing any more, and after a while somebody else has it.
import { spawn, type ChildProcess } from "node:child_process"

/**
 * Reads the group that it looks after, then waits for a word. When its input ends without one, whoever would have said it is
 * gone: the group is told to end, and killed after five seconds.
 */
const script = `
read -r group || exit 0
read -r word && exit 0
kill -s TERM -- "-$group" 2>/dev/null || exit 0
kill -s CONT -- "-$group" 2>/dev/null
for look in 1 2 3 4 5; do sleep 1; kill -s 0 -- "-$group" 2>/dev/null || exit 0; done
kill -s KILL -- "-$group" 2>/dev/null
`

export interface Guard {
  /** The group of this process is looked after until `end`; `then` when that is certain, whoever is killed from then on. */
  readonly watch: (child: ChildProcess, then: () => void) => void
  readonly end: () => void
}

/** Started before what it looks after. Where it cannot be started, nothing is looked after. */
export const startGuard = (): Guard => {
  const guard = spawn("/bin/sh", ["-c", script, "aaax-lock-guard"], { cwd: "/", stdio: ["pipe", "ignore", "ignore"], detached: true })
  guard.on("error", () => undefined)
  guard.stdin.on("error", () => undefined)
  guard.unref()
  return {
    watch: ({ pid }, then) => {
      if (pid !== undefined) guard.stdin.write(`${pid}\n`, then)
    },
    end: () => {
      guard.stdin.end("done\ndone\n")
    }
  }
}
