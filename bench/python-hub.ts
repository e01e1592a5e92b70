// A peer in another language: the least that a hub in Python has to do, with the library that Python people take. Less than any real
// one does, so whoever is so much faster than this is at least so much faster than those.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync, spawn, type ChildProcess } from "node:child_process"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"

/** One that has the library; distributions keep it for their own Python. */
const python = (): string | undefined =>
  ["python3", "/usr/bin/python3"].find((command) => {
    try {
      execFileSync(command, ["-c", "import websockets"], { stdio: "ignore" })
      return true
    } catch {
      return false
    }
  })

/** Where it listens until the scope closes; nothing where there is no Python for it. `child`: beside which its script lies. */
export const pythonHub = (child: string, database?: string): Effect.Effect<string | undefined, never, Scope.Scope> =>
  Effect.suspend(() => {
    const command = python()
    if (command === undefined) return Effect.succeed(undefined)
    const script = join(dirname(child), "bare-hub.py")
    return Effect.acquireRelease(
      Effect.sync(() => spawn(command, [script, ...(database === undefined ? [] : [database])], { stdio: ["pipe", "pipe", "inherit"] })),
      (hub) => Effect.sync(() => void hub.kill())
    ).pipe(Effect.flatMap(portOf), Effect.map((port) => `ws://127.0.0.1:${port}`))
  })

const portOf = (hub: ChildProcess): Effect.Effect<string> =>
  Effect.callback((resume) => {
    if (hub.stdout === null) return resume(Effect.die(new Error("the hub in Python says nothing")))
    createInterface({ input: hub.stdout }).once("line", (port) => resume(Effect.succeed(port)))
    hub.once("exit", (code) => resume(Effect.die(new Error(`the hub in Python ended with ${code}`))))
  })
