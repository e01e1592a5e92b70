// The deliveries on every store that there is.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { make as makeMemory } from "../../../kernel/store/memory.ts"
import { make as makeSqlite } from "../../../kernel/store/sqlite.ts"
import { deliveryContract } from "../../contract/delivery.ts"

deliveryContract({
  name: "memory",
  open: ({ clock }) => Effect.map(makeMemory({ clock }), (store) => Effect.succeed(store))
})

deliveryContract({
  name: "hostile memory",
  open: ({ clock }) =>
    Effect.map(makeMemory({ clock, hostile: { seed: 7, failedKept: 0.05, failedLost: 0.05, failedLate: 0.05 } }), (store) =>
      Effect.succeed(store))
})

// Every restart closes the database and opens it again.
deliveryContract({
  name: "sqlite",
  open: ({ clock }) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "aaax-delivery-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
      ),
      (directory) => Effect.orDie(makeSqlite({ path: join(directory, "store.db"), clock }))
    )
})
