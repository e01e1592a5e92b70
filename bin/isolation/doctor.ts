// `aaax doctor --isolation`: what each tier stops on this machine, as it was measured just now.
import * as Effect from "effect/Effect"
import { floors } from "../../protocol/tier.ts"
import { type Called, show } from "../called.ts"
import { err, onErr, onOut, plain, table } from "../terminal.ts"
import { measureIsolation, rows, type Cell, type IsolationReport } from "./measure.ts"

const word = (cell: Cell | undefined): string => {
  if (cell === undefined) return ""
  return cell.verdict === "stopped" ? onOut.green("stopped") : cell.verdict === "passes" ? onOut.red("PASSES") : onOut.red("passes, not tried")
}

const lines = ({ node, platform, tiers, tools }: IsolationReport): ReadonlyArray<string> => {
  const there = tiers.filter(({ unavailable }) => unavailable === null)
  return [
    `node ${node} on ${platform}; permissions ${tools.permission ?? "none"}; prlimit ${tools.prlimit ?? "not here: no limits of processor time and address space"}; bubblewrap ${tools.bwrap ?? "not here"}`,
    "",
    ...table(["A MODULE TRIES TO", ...there.map(({ tier }) => tier.toUpperCase())], rows.map(([attack, says]) => [says, ...there.map(({ cells }) => word(cells[attack]))])),
    "",
    ...tiers.flatMap(({ tier, unavailable }) => (unavailable === null ? [] : [`tier ${tier} is not available here: ${plain(unavailable)}`])),
    `Third-party code needs tier '${floors.third}', signed code '${floors.signed}'; isolation.allowWeakIsolation in the config says otherwise.`
  ]
}

/** What the kernels of the measurement log is what is measured: nobody has to read it twice. */
const quietly = async <A>(work: () => Promise<A>): Promise<A> => {
  const { write } = process.stderr
  process.stderr.write = (...given: ReadonlyArray<unknown>): boolean => {
    const done = given.at(-1)
    if (typeof done === "function") done()
    return true
  }
  try {
    return await work()
  } finally {
    process.stderr.write = write
  }
}

export const isolation = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void> {
  err(onErr.dim("The hostile module is tried in every tier, against what is laid out for it alone. This takes some seconds …"))
  const report = yield* Effect.promise(() => quietly(() => measureIsolation()))
  yield* show(called, report, () => lines(report))
})
