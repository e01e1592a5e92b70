// `npm run torture -- --cycles N [--seed S] [--json]`, and `--exchange EVENTS [--cycles KILLS]` for two remote processes,
// `--fuzz REQUESTS [--seed S]` for requests as nobody sends them.
import { parseArgs } from "node:util"
import { exchange } from "./exchange.ts"
import { fuzz } from "./fuzz.ts"
import { points } from "./terms.ts"
import { torture } from "./torture.ts"

const { values } = parseArgs({
  options: {
    cycles: { type: "string" },
    exchange: { type: "string" },
    fuzz: { type: "string" },
    party: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    world: { type: "string", default: "" },
    help: { type: "boolean", default: false }
  }
})
const cycles = Number(values.cycles ?? (values.exchange === undefined ? "200" : "10"))
const events = Number(values.exchange ?? "2")
const seed = Number(values.seed)
const requests = Number(values.fuzz ?? "1")
if (values.help || !Number.isInteger(cycles) || cycles < 1 || !Number.isInteger(seed) || !Number.isInteger(events) || events < 2 || !Number.isInteger(requests) || requests < 1) {
  process.stderr.write(
    "usage: npm run torture -- [--cycles N] [--seed S] [--json]\nkills a working kernel N times with -9 and checks that nothing was lost or done twice\n" +
    "       npm run torture -- --exchange EVENTS [--cycles N] [--json]\nlets two processes exchange events through a kernel and kills one of them N times\n" +
    "       npm run torture -- --fuzz REQUESTS [--seed S] [--json]\nsends a published kernel so many requests and frames as nobody sends them\n"
  )
  process.exit(values.help ? 0 : 2)
}
if (values.fuzz !== undefined) {
  const told = await fuzz({
    requests, seed,
    onRequest: (sent) => {
      if (process.stderr.isTTY && sent % 500 === 0) process.stderr.write(`\r${sent}/${requests} sent          `)
    }
  })
  if (process.stderr.isTTY) process.stderr.write("\n")
  if (values.json) process.stdout.write(`${JSON.stringify(told)}\n`)
  else {
    process.stdout.write(`${told.requests} requests and ${told.frames} frames in ${(told.millis / 1000).toFixed(1)} s: ${Object.entries(told.statuses).map(([status, count]) => `${status} ${count}`).join(", ")}\n`)
    for (const one of told.wrong) process.stdout.write(`wrong: ${one}\n`)
    process.stdout.write(`${told.grownBytes === null ? "" : `heap grown by ${(told.grownBytes / 1e6).toFixed(1)} MB\n`}${told.ok ? "ok" : "FAILED"}\n`)
  }
  process.exit(told.ok ? 0 : 1)
}
if (values.exchange !== undefined) {
  const told = await exchange({
    party: values.party,
    events,
    kills: cycles,
    onKill: (kill, answered) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${kill}/${cycles} killed, ${answered} answered          `)
    }
  })
  if (process.stderr.isTTY) process.stderr.write("\n")
  if (values.json) process.stdout.write(`${JSON.stringify(told)}\n`)
  else {
    process.stdout.write(`${told.events} events exchanged in ${(told.millis / 1000).toFixed(1)} s, one of two processes killed ${told.kills} times, ${told.handedOutAgain} items handed out again\n`)
    for (const name of ["lost", "doubled", "leasesShared", "backlog", "deadLetters"] as const) process.stdout.write(`${name}: ${told[name]}\n`)
    process.stdout.write(`${told.ok ? "ok" : "FAILED"}\n`)
  }
  process.exit(told.ok ? 0 : 1)
}
const report = await torture({
  world: values.world,
  cycles,
  seed,
  onCycle: (cycle, at) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${cycle}/${cycles} killed: ${at}          `)
  }
})
if (process.stderr.isTTY) process.stderr.write("\n")
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else {
  process.stdout.write(`${report.cycles} kills in ${Math.round(report.millis / 1000)} s: ${["random", ...points].map((point) => `${point} ${report.kills[point]}`).join(", ")}\n`)
  process.stdout.write(`${report.pieces} pieces of work, ${report.effects} effects, ${report.acknowledged.events} events and ${report.acknowledged.receipts} receipts acknowledged\n`)
  for (const name of ["eventsLost", "effectsDoubled", "effectsUnauthorized", "receiptsWithoutEffect", "tasksLost", "factsDoubled", "repliesWrong"] as const) {
    process.stdout.write(`${name}: ${report[name]}\n`)
  }
  process.stdout.write(`unknown: ${report.unknown.listed} listed, ${report.unknown.reconciled} reconciled, ${report.unknown.left} left\n`)
  process.stdout.write(`hash chain ${report.chainVerified ? "verifies" : "IS BROKEN"}; ${report.storeProblems.length} store problems\n${report.ok ? "ok" : "FAILED"}\n`)
}
process.exit(report.ok ? 0 : 1)
