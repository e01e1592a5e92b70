// A process that pulls one subscription of a `.sssn` directory until nothing is left, and says what it got.
import { writeSync } from "node:fs"
import { LocalStore } from "../../kernel/store/local.ts"

const [, , root = ""] = process.argv
const store = new LocalStore(root)
writeSync(1, "open\n")
process.stdin.once("data", () => {
  for (;;) {
    const events = store.pullSubscription("shared", 3)
    if (events.length === 0) break
    writeSync(1, `${events.map(({ cursor }) => cursor).join(",")}\n`)
  }
  store.close()
  process.exit(0)
})
