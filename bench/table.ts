// Rows as a table for people.
import { passed, type Row } from "./row.ts"

const short = (value: number): string => {
  if (Number.isNaN(value)) return "-"
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`
  if (value >= 1e4) return `${Math.round(value / 1e3)} k`
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3)
}

const bar = (found: Row["floor"], lowerIsBetter: boolean): string => {
  if (found === null) return ""
  const sign = lowerIsBetter ? "<=" : ">="
  return found.of === null ? `${sign} ${short(found.bar)}` : `${found.ratio.toFixed(2)} ${sign} ${found.bar} of ${found.of}`
}

const verdict = (row: Row): string => {
  if (row.floor === null) return row.note ?? ""
  if (!passed(row)) return "MISSED"
  return row.aim !== null && !row.aim.reached ? "ok, aim missed" : "ok"
}

const header = ["what", "figure", "p50 us", "p99 us", "cpu us", "floor", "aim", ""]

const cells = (row: Row): ReadonlyArray<string> => [
  row.what,
  `${short(row.figure)} ${row.unit}`,
  row.p50Micros === null ? "" : short(row.p50Micros),
  row.p99Micros === null ? "" : short(row.p99Micros),
  row.cpuMicros === null ? "" : short(row.cpuMicros),
  bar(row.floor, row.lowerIsBetter),
  bar(row.aim, row.lowerIsBetter),
  verdict(row)
]

const details = (row: Row): string => {
  const ratios = Object.entries(row.baselines).map(([name, value]) => {
    const cpu = row.cpuRatios[name]
    return `${name} ${short(value)} (${(row.ratios[name] ?? Number.NaN).toFixed(2)}${cpu === undefined ? "" : `, cpu ${cpu.toFixed(2)}`})`
  })
  const others = Object.entries(row.others).map(([name, value]) => `${name} ${short(value)}`)
  return [...ratios, ...others].join(", ")
}

export const table = (rows: ReadonlyArray<Row>): string => {
  const lines = [header, ...rows.map(cells)]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const text = (line: ReadonlyArray<string>): string => line.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  const [head, ...body] = lines.map(text)
  return [head, ...body.flatMap((line, at) => (details(rows[at]!) === "" ? [line] : [line, `    ${details(rows[at]!)}`]))].join("\n")
}

/** How each ratio (or figure, where there is none) changed since another run. */
export const comparison = (rows: ReadonlyArray<Row>, before: ReadonlyArray<Row>): string => {
  const earlier = new Map(before.map((row) => [row.id, row]))
  const value = (row: Row): number => row.floor?.ratio ?? Object.values(row.ratios)[0] ?? row.figure
  return rows.map((row) => {
    const old = earlier.get(row.id)
    if (old === undefined) return `${row.id}: new`
    const change = (value(row) / value(old) - 1) * 100
    const better = row.lowerIsBetter ? change < 0 : change > 0
    return `${row.id}: ${short(value(old))} -> ${short(value(row))}  ${change >= 0 ? "+" : ""}${change.toFixed(0)} % ${Math.abs(change) < 10 ? "" : better ? "better" : "WORSE"}`.trimEnd()
  }).join("\n")
}
