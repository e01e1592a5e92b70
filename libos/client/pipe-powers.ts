// Reading powers over a pipe: the kernel reads, and what it found is told line by line.
import * as Effect from "effect/Effect"
import type { Commit, FileBytes, FileEntry, ReadFailure, ReadingPower } from "../../protocol/power.ts"
import type { PowerOp } from "../../protocol/stdio.ts"
import type { Outcome } from "./pending.ts"

/** Sends one look through a power; its answer comes as a call's does. */
export type AskPower = (port: number, power: number, op: PowerOp, args: ReadonlyArray<unknown>, done: (outcome: Outcome) => void) => void

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))

export const pipePowers = (ask: AskPower, port: number, roots: ReadonlyArray<string>): ReadonlyArray<ReadingPower> =>
  Object.freeze(roots.map((root, power): ReadingPower => {
    const look = <A>(op: PowerOp, args: ReadonlyArray<unknown>, use: (value: unknown) => A): Effect.Effect<A, ReadFailure> =>
      Effect.callback<A, ReadFailure>((resume) => {
        ask(port, power, op, args, (outcome) => {
          if (outcome.is === "value") return resume(Effect.succeed(use(outcome.value)))
          resume(Effect.fail(outcome.is === "gone" ? { path: root, reason: outcome.reason } : outcome.failure as ReadFailure)) // a kernel's word
        })
      })
    return Object.freeze<ReadingPower>({
      root,
      isGit: Effect.orDie(look("isGit", [], (value) => value === true)),
      list: Effect.suspend(() => look("list", [], (value) => value as ReadonlyArray<FileEntry>)), // a kernel's word
      read: (path, limitBytes) => look("read", [path, limitBytes], (value): FileBytes => {
        const { data, truncated } = value as { readonly data: string; readonly truncated: boolean } // a kernel's word
        return { bytes: bytesOf(data), truncated }
      }),
      digest: (path) => look("digest", [path], String),
      commits: (since, limit) => look("commits", [since ?? null, limit], (value) => value as ReadonlyArray<Commit>) // a kernel's word
    })
  }))
