// One kernel for each store: an exclusive lock on a small database beside it, held for the life of the process. The
// operating system drops it when the process dies, so there is no stale lock; the pid beside it is for the message only.
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import Database from "better-sqlite3"
import { StoreLocked } from "../../../protocol/errors.ts"
import { makeDirectoryOf, makeFile } from "./schema.ts"

const holderOf = (pidFile: string): number | null => {
  try {
    const pid = Number.parseInt(readFileSync(pidFile, "utf8"), 10)
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null
  } catch {
    return null // the holder has not written it yet, or it is gone
  }
}

/** Takes the lock of the store at `path`; answers how to give it back. Throws `StoreLocked`. */
export const lockStore = (path: string): (() => void) => {
  const lockFile = `${path}.lock`
  const pidFile = `${path}.pid`
  makeDirectoryOf(path)
  makeFile(lockFile)
  const db = new Database(lockFile, { timeout: 0 })
  try {
    db.exec("BEGIN EXCLUSIVE")
  } catch (failure) {
    db.close()
    if (failure instanceof Database.SqliteError && failure.code.startsWith("SQLITE_BUSY")) {
      throw new StoreLocked({ path, pid: holderOf(pidFile) })
    }
    throw failure
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  return () => {
    rmSync(pidFile, { force: true })
    db.close()
  }
}
