// Powers: what a system may look at outside the channels. Handed over at docking, one journal entry each.
import type * as Effect from "effect/Effect"

/** One entry under a reading root. Paths are relative, with `/`. */
export interface FileEntry {
  readonly path: string
  readonly kind: "file" | "link" | "directory" | "submodule" | "missing" | "special"
  readonly sizeBytes: number
  /** Unix milliseconds of the last change, as the file system says. */
  readonly changedAt: number
  /** Identity that changes with the content as far as the file system tells: device, inode, size, times. */
  readonly stamp: string
  /** Target of a link. */
  readonly linkTarget?: string
}

export interface FileBytes {
  readonly bytes: Uint8Array
  /** The file had more than the limit. */
  readonly truncated: boolean
}

export interface Commit {
  readonly hash: string
  readonly parents: ReadonlyArray<string>
  readonly author: string
  readonly email: string
  /** Unix seconds. */
  readonly authoredAt: number
  readonly subject: string
}

export interface ReadFailure {
  readonly path: string
  readonly reason: string
}

/** Reads files and history under `root`, never above it, never through a link, never in `.aaax/` or `.git/`. */
export interface ReadingPower {
  readonly root: string
  /** Whether the root is in a git work tree. */
  readonly isGit: Effect.Effect<boolean>
  /** All files: `git ls-files -co --exclude-standard` in a git work tree, else a walk. */
  readonly list: Effect.Effect<ReadonlyArray<FileEntry>, ReadFailure>
  readonly read: (path: string, limitBytes: number) => Effect.Effect<FileBytes, ReadFailure>
  /** sha-256 of the whole file, streamed, in lower-case hexadecimal. */
  readonly digest: (path: string) => Effect.Effect<string, ReadFailure>
  /** Commits reachable from HEAD and not from `since`, oldest first, at most `limit` of the newest. */
  readonly commits: (since: string | undefined, limit: number) => Effect.Effect<ReadonlyArray<Commit>, ReadFailure>
}
