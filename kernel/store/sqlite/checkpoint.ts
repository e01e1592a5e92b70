// Checkpoints: what moves the write-ahead log into the database. Done by SQLite on the writer's thread they stall the
// event loop for 17 to 60 ms; done here, in a worker with a connection of its own, for less than one.
import { createRequire } from "node:module"
import { statSync } from "node:fs"
import { Worker } from "node:worker_threads"
import type Database from "better-sqlite3"
import { checkpointBytes, walBytesMax } from "../../limits.ts"

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
    parentPort.postMessage({ left: result.log - result.checkpointed })
  } catch (failure) {
    parentPort.postMessage({ left: -1, failure: String(failure) })
  }
})
`

const library = createRequire(import.meta.url).resolve("better-sqlite3")

/** Starts a worker once it is needed. `db` is the writer's connection. */
export const makeCheckpointer = (path: string, db: Database.Database): Checkpointer => {
  let worker: Worker | undefined
  let ended: Promise<unknown> | undefined
  let written = 0
  let running = false
  let failed = false

  const walBytes = (): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const own = (): void => void db.pragma("wal_checkpoint(PASSIVE)")

  const start = (): Worker => {
    const started = new Worker(code, { eval: true, workerData: { library, path }, execArgv: [], env: {} })
    started.unref()
    ended = new Promise((resolve) => started.once("exit", resolve))
    started.on("message", () => {
      running = false
      // A writer that never rests leaves frames behind each passive checkpoint, and the log would grow for ever:
      // beyond the bound the rest is moved here, after which the next commit starts the log anew.
      if (db.open && walBytes() > walBytesMax) own()
    })
    started.on("error", () => {
      failed = true // from now on the writer does it
      running = false
    })
    return started
  }

  return {
    wrote: (bytes) => {
      written += bytes
      if (written < checkpointBytes || running) return
      written = 0
      if (failed) return own()
      running = true
      worker ??= start()
      worker.postMessage("checkpoint")
    },
    close: async () => {
      if (worker !== undefined && !failed) {
        worker.postMessage("end")
        await ended
      }
      if (db.open) db.pragma("wal_checkpoint(TRUNCATE)")
    }
  }
}
