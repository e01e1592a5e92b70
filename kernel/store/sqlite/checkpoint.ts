// Checkpoints: what moves the write-ahead log into the database. Done by SQLite on the writer's thread they stall the
// event loop for 17 to 60 ms; done here, in a worker with a connection of its own, for less than one.
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"
import type Database from "better-sqlite3"
import { checkpointBytes, pageBytes, walBytesMax } from "../../limits.ts"

export interface Checkpointer {
  /** So many bytes, about, went to the write-ahead log. */
  readonly wrote: (bytes: number) => void
  /** Ends the worker and moves what is left. */
  readonly close: () => Promise<void>
}

// Plain JavaScript as text, so that no bundler has to find a file; the library is required by its resolved path.
const code = `
const { parentPort, workerData } = require("node:worker_threads")
const Database = require(workerData.library)
const db = new Database(workerData.path, { timeout: 0 })
db.pragma("wal_autocheckpoint = 0")
parentPort.on("message", (word) => {
  if (word === "end") {
    db.close()
    parentPort.close()
    return
  }
  try {
    const [result] = db.pragma("wal_checkpoint(PASSIVE)")
    parentPort.postMessage({ frames: result.log })
  } catch (failure) {
    parentPort.postMessage({ frames: 0, failure: String(failure) })
  }
})
`

/** Where a worker finds better-sqlite3. */
export const library = createRequire(import.meta.url).resolve("better-sqlite3")

const roundsMax = 50

/** Starts a worker once it is needed. `db` is the writer's connection. */
export const makeCheckpointer = (path: string, db: Database.Database): Checkpointer => {
  let worker: Worker | undefined
  let ended: Promise<unknown> | undefined
  let written = 0
  let running = false
  let failed = false
  let rounds = 0

  const own = (): void => {
    try {
      db.pragma("wal_checkpoint(PASSIVE)")
    } catch {
      // Everything is in the log and stays there; a disk that fails shows at the next commit, where somebody is told.
    }
  }

  const start = (): Worker => {
    const started = new Worker(code, { eval: true, workerData: { library, path }, execArgv: [], env: {} })
    started.unref()
    ended = new Promise((resolve) => started.once("exit", resolve))
    started.on("message", ({ frames }: { readonly frames: number }) => {
      running = false
      if (!db.open) return
      // The log starts anew only when a commit begins while nothing is left in it. So rounds follow each other, each
      // shorter than the one before, until one ends between two commits. A writer that never rests would let the log
      // grow for ever, and a sync is slow while the file grows: then what little is left is moved here.
      const size = frames * pageBytes
      if (size <= checkpointBytes * 1.5) rounds = 0
      else if ((++rounds > roundsMax && written < pageBytes * 32) || size > walBytesMax) {
        rounds = 0
        written = 0
        own()
      } else round()
    })
    started.on("error", () => {
      failed = true // from now on the writer does it
      running = false
    })
    return started
  }

  const round = (): void => {
    written = 0
    if (failed) return own()
    running = true
    worker ??= start()
    worker.postMessage("checkpoint")
  }

  return {
    wrote: (bytes) => {
      written += bytes
      if (written >= checkpointBytes && !running) round()
    },
    close: async () => {
      if (worker !== undefined && !failed) {
        worker.ref() // or a process with nothing else to do would end before its store is closed
        worker.postMessage("end")
        await ended
      }
      if (db.open) db.pragma("wal_checkpoint(TRUNCATE)")
    }
  }
}
