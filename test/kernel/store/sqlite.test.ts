// The SQLite store: the family's contract, and what only a disk can do: locks, formats, damage, full disks, kill -9.
import { storeContract } from "../../contract/store.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"

storeContract("sqlite", { durable: true, open: (directory, clock) => Sqlite.make({ path: `${directory}/kernel.db`, clock }) })
