// Tampering: every byte of a whole bundle and of a partial one is changed, and a write-ahead log and a database are mutated;
// each change of what was signed must be found, and of a bundle the right entry be named.
import { bundleOf, flipBundle, live, makeSite } from "../kit/evidence.ts"
import { makeRandom } from "../kit/random.ts"
import { crash, mutateLog } from "../kit/wal.ts"
import { numbers, seconds, type Torment } from "./torment.ts"

export const tamperTorment: Torment = {
  option: "tamper",
  argument: "MUTATIONS",
  says: "changes every byte of bundles of evidence, and mutates a write-ahead log and a database so often, and checks that each loss is found",
  run: async ({ count, progress, seed }) => {
    const began = performance.now()
    const random = makeRandom(seed)
    const site = makeSite()
    const warrant = await live(site)
    const bundles = { flips: 0, accepted: 0, misnamed: 0 }
    for (const wanted of [undefined, ({ correlationId }: { readonly correlationId: string | null }) => correlationId === warrant]) {
      const { text } = await bundleOf(site, { bodies: true, ...(wanted === undefined ? {} : { wanted }) })
      const size = Buffer.byteLength(text)
      for (let from = 0; from < size; from += 500) {
        const done = flipBundle(text, Array.from({ length: Math.min(500, size - from) }, (_, at) => from + at), () => 1 + random.int(255))
        bundles.flips += done.flips
        bundles.accepted += done.accepted
        bundles.misnamed += done.misnamed
        progress(`${from}/${size} bytes`)
      }
    }
    site.remove()
    const crashed = await crash()
    const log = await mutateLog(crashed, count, random, "kernel.db-wal", (done) => progress(`${done}/${count} mutations of the log`))
    crashed.remove()
    const ended = await crash(true)
    const database = await mutateLog(ended, count, random, "kernel.db", (done) => progress(`${done}/${count} mutations of the database`))
    ended.remove()
    const millis = Math.round(performance.now() - began)
    const report = {
      bytesFlipped: bundles.flips, flipsAccepted: bundles.accepted, entriesMisnamed: bundles.misnamed, log, database,
      lossesUnnoticed: log.unnoticed + database.unnoticed, millis,
      ok: bundles.accepted + bundles.misnamed + log.unnoticed + database.unnoticed === 0 && log.refused > 0 && database.refused > 0
    }
    return {
      report,
      lines: [
        `${report.bytesFlipped} bytes changed one by one in ${seconds(millis)}`, ...numbers(report, "flipsAccepted", "entriesMisnamed", "lossesUnnoticed"),
        `write-ahead log: ${log.mutations} mutations, ${log.refused} starts refused, ${log.whole} with everything`,
        `database: ${database.mutations} mutations, ${database.refused} starts refused, ${database.whole} with everything`
      ]
    }
  }
}
