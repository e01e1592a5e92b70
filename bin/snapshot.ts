// What `launch --once` prints: the ancestor's snapshot, to the letter.
import type { Kernel } from "../kernel/kernel.ts"
import { ancestral } from "../protocol/well-known.ts"
import { plain } from "./terminal.ts"

/** A text as Python writes it in a list. */
const quoted = (text: string): string => {
  const escaped = plain(text).replace(/\\/gu, "\\\\")
  return text.includes("'") && !text.includes("\"") ? `"${escaped}"` : `'${escaped.replace(/'/gu, "\\'")}'`
}

export interface OnceSnapshot {
  readonly kernel_id: string
  readonly docked_systems: ReadonlyArray<string>
  /** The ancestor's nine in its order, then the others. */
  readonly channels: ReadonlyArray<string>
}

export const snapshotOf = (kernel: Kernel): OnceSnapshot => {
  const names = kernel.channels.all().map(({ name }) => name)
  return {
    kernel_id: kernel.id,
    docked_systems: kernel.systems().map(({ id }) => id).sort(),
    channels: [...ancestral, ...names.filter((name) => !ancestral.includes(name)).sort()]
  }
}

export const snapshotLines = (snapshot: OnceSnapshot): ReadonlyArray<string> => [
  `kernel_id=${plain(snapshot.kernel_id)}`,
  `docked_systems=[${snapshot.docked_systems.map(quoted).join(", ")}]`,
  "channels:",
  ...ancestral.map((name) => `  - ${name}`)
]
