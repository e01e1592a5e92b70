// `npm run torture -- [--TORMENT VALUE] [--seed S] [--json]`: see torments.ts for what there is.
import { parseArgs } from "node:util"
import { torments } from "./torments.ts"

const { values } = parseArgs({
  strict: false,
  options: {
    ...Object.fromEntries(torments.map(({ option }) => [option, { type: "string" } as const])),
    seed: { type: "string", default: "1" },
    every: { type: "string", default: "1" },
    again: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    programs: { type: "string", default: "" },
    help: { type: "boolean", default: false }
  }
})
const usage = (code: number): never => {
  for (const { argument, option, says } of torments) process.stderr.write(`npm run torture -- --${option} ${argument} [--seed S] [--json]\n  ${says}\n`)
  process.exit(code)
}
const options = new Set([...torments.map(({ option }) => option), "seed", "every", "again", "json", "programs", "help"])
if (values["help"] === true) usage(0)
if (Object.keys(values).some((name) => !options.has(name))) usage(2)

const [first] = torments
// `--cycles` also says how often another torment kills.
const chosen = torments.find(({ option }) => option !== "cycles" && values[option] !== undefined) ?? first!
const value = String(values[chosen.option] ?? "200")
const whole = (text: unknown, min: number): number => {
  const number = Number(text)
  return Number.isInteger(number) && number >= min ? number : usage(2)
}
if (chosen.words !== undefined && !chosen.words.includes(value)) usage(2)
const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}          `)
}
const { lines, report } = await chosen.run({
  value,
  count: chosen.words === undefined ? whole(value, 1) : 1,
  seed: whole(values["seed"], 0),
  cycles: values["cycles"] === undefined ? undefined : whole(values["cycles"], 1),
  every: whole(values["every"], 1),
  again: whole(values["again"], 0),
  program: (name) => `${String(values["programs"])}${name}.mjs`,
  progress
})
if (process.stderr.isTTY) process.stderr.write("\n")
process.stdout.write(values["json"] === true ? `${JSON.stringify(report)}\n` : `${[...lines, report.ok ? "ok" : "FAILED"].join("\n")}\n`)
process.exit(report.ok ? 0 : 1)
