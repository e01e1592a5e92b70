// `npm run bench`: runs the groups one after another, prints a table, and writes the rows as JSON.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { passed, type Row } from "./row.ts"
import { groups } from "./rows.ts"
import type { Size } from "./size.ts"
import { comparison, table } from "./table.ts"

export interface Report {
  readonly size: Size
  readonly node: string
  /** In words; nothing that names a host. */
  readonly machine: string
  readonly ok: boolean
  readonly rows: ReadonlyArray<Row>
}

const usage = `npm run bench -- [--only GROUP]... [--quick | --smoke] [--json] [--compare] [--save] [--dir DIR]

  --only      one of ${Object.keys(groups).join(", ")}; also GROUP/ROW, which shows that row alone
  --quick     a tenth of the work: for looking while one works, not for judging
  --smoke     hardly any work: tries the code
  --json      JSON on stdout and nothing else
  --compare   how the ratios changed against bench/baseline.json
  --save      makes this run the baseline
  --dir       where the stores lie while they are measured; default: a folder of this repository, on its disk
`

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    quick: { type: "boolean", default: false },
    smoke: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    compare: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    dir: { type: "string" },
    // Given by scripts/bench.mjs.
    bundle: { type: "string", default: "" },
    root: { type: "string", default: "" }
  }
})

const size: Size = flags.smoke ? "smoke" : flags.quick ? "quick" : "full"
const baseline = join(flags.root, "bench/baseline.json")
const aaax = join(flags.root, "dist/bin/aaax.js")

const machine = (): string => {
  const [cpu] = cpus()
  return `${cpus().length} x ${cpu?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform} ${process.arch}`
}

const runGroup = (name: string, place: string): ReadonlyArray<Row> => {
  const directory = join(place, name)
  mkdirSync(directory)
  const { status, stdout } = spawnSync(
    process.execPath,
    ["--expose-gc", join(flags.bundle, "group.mjs"), name, size, directory, join(flags.bundle, "child.mjs"), ...(existsSync(aaax) ? [aaax] : [])],
    { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", maxBuffer: 2 ** 26 }
  )
  rmSync(directory, { recursive: true, force: true })
  if (status !== 0) throw new Error(`the group ${name} ended with ${status}`)
  return JSON.parse(stdout) as ReadonlyArray<Row> // what group.ts prints
}

/** NaN, which JSON does not know, is null on the way. */
const read = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => rows.map((row) => ({ ...row, figure: row.figure ?? Number.NaN }))

const main = (): number => {
  if (flags.help) {
    process.stdout.write(usage)
    return 0
  }
  const wanted = flags.only.length === 0 ? Object.keys(groups) : [...new Set(flags.only.map((only) => only.split("/")[0]!))]
  const unknown = wanted.find((name) => groups[name] === undefined)
  if (unknown !== undefined) {
    process.stderr.write(`There is no group ${unknown}.\n\n${usage}`)
    return 2
  }
  const parent = flags.dir ?? flags.bundle
  mkdirSync(parent, { recursive: true })
  const place = mkdtempSync(join(parent, "stores-"))
  const rows: Array<Row> = []
  try {
    for (const name of wanted) {
      process.stderr.write(`${name} …\n`)
      const measured = read(runGroup(name, place))
      const named = flags.only.filter((only) => only.startsWith(`${name}/`))
      rows.push(...measured.filter(({ id }) => named.length === 0 || named.includes(id)))
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
  const report: Report = { size, node: process.version, machine: machine(), ok: rows.every(passed), rows }
  const text = `${JSON.stringify(report, null, 1)}\n`
  if (flags.save) writeFileSync(baseline, text)
  if (flags.json) process.stdout.write(text)
  else {
    const file = join(flags.bundle, "report.json")
    writeFileSync(file, text)
    process.stdout.write(`${table(rows)}\n\n${report.machine}, Node ${report.node}${size === "full" ? "" : `; ${size}: no figures to judge by`}\nJSON: ${file}\n`)
  }
  if (flags.compare) {
    const before = JSON.parse(readFileSync(baseline, "utf8")) as Report // written above
    process.stderr.write(`\nAgainst the baseline (${before.machine}):\n${comparison(rows, read(before.rows))}\n`)
  }
  return report.ok || size === "smoke" ? 0 : 1
}

process.exitCode = main()
