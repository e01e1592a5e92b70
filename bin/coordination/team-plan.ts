// What a team is made of: a hub, a worker with a quick model, and one with a better model where there is one.
import type { TeamModels } from "./models.ts"

export interface TeamWish {
  readonly port: number
  readonly workers: boolean
  readonly prefix: string
  readonly models: TeamModels
  /** Whether a model server answers; without one the workers answer by rule. */
  readonly hasModels: boolean
  readonly db?: string
  readonly relayLog?: string
}

export interface Member {
  /** What its output is marked with. */
  readonly label: string
  /** Of the command line. */
  readonly args: ReadonlyArray<string>
}

export const hubUri = (port: number): string => `ws://127.0.0.1:${port}`

/** In the order in which they start. A token goes to them by the environment, where no list of processes shows it. */
export const teamPlan = ({ db, hasModels, models: { fast, reason }, port, prefix, relayLog, workers }: TeamWish): readonly [Member, ...Array<Member>] => {
  const worker = (name: string, model: string): Member => ({
    label: `${prefix}${name}`,
    args: [
      "worker", "--name", name, ...(prefix === "" ? [] : ["--prefix", prefix]), "--uri", hubUri(port),
      ...(hasModels ? ["--provider", "ollama", "--model", model] : ["--provider", "rule"])
    ]
  })
  const hub: Member = {
    label: "hub",
    args: ["hub", "--host", "127.0.0.1", "--port", String(port), ...(db === undefined ? [] : ["--db", db]), ...(relayLog === undefined ? [] : ["--relay-log", relayLog])]
  }
  if (!workers) return [hub]
  return reason === fast ? [hub, worker("FAST", fast)] : [hub, worker("FAST", fast), worker("REASON", reason)]
}
