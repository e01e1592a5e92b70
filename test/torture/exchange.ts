// Two processes exchange events through a kernel over WebSockets; one of them is killed with -9 and started again, and in
// the end what was asked and answered is compared with what was handed out.
import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { launch } from "../../kernel/index.ts"
import { answers, asks, type PartyTerms, type PartyTold } from "./terms.ts"

export interface ExchangeOptions {
  /** The bundled `party.ts`. */
  readonly party: string
  /** Events that are exchanged: half of them asked, half of them answers. */
  readonly events: number
  readonly kills: number
  /** Keep events in memory only; default: on disk, strictly. */
  readonly inMemory?: boolean
  readonly onKill?: (kill: number, answered: number) => void
}

export interface ExchangeReport {
  readonly events: number
  readonly kills: number
  readonly millis: number
  /** Numbers that were asked and never answered. */
  readonly lost: number
  /** Events that are there twice. */
  readonly doubled: number
  /** Leases that two processes were given. */
  readonly leasesShared: number
  /** Items that were handed out again after their holder was killed. */
  readonly handedOutAgain: number
  readonly backlog: number
  readonly deadLetters: number
  readonly ok: boolean
}

const pageEvents = 1_000

export const exchange = async (options: ExchangeOptions): Promise<ExchangeReport> => {
  const { kills, party } = options
  const asked = Math.ceil(options.events / 2)
  const begun = Date.now()
  const directory = mkdtempSync(join(tmpdir(), "aaax-exchange-"))
  const children = new Set<ChildProcess>()
  const kernel = await launch({ directory, store: options.inMemory === true ? ":memory:" : join(directory, "kernel.db") })
  try {
    for (const name of [asks, answers]) {
      await kernel.channels.create(name, { form: "queue", attemptsMax: 1_000, durability: options.inMemory === true ? "memory" : "strict" })
    }
    const { url } = await kernel.publish("127.0.0.1", 0)
    /** Who was given which lease. */
    const holders = new Map<string, number>()
    const deliveries = new Map<string, number>()
    let leasesShared = 0
    let isDone = false

    /** A process that waits for a word to begin. */
    const prepare = async (which: PartyTerms["party"]): Promise<ChildProcess> => {
      const { token } = await kernel.tokens.mint({ name: which, role: "write", channels: ["exchange.*"], docks: true })
      const terms: PartyTerms = { party: which, url, token, events: asked }
      const child = spawn(process.execPath, [party, JSON.stringify(terms)], { stdio: ["pipe", "pipe", "inherit"] })
      children.add(child)
      child.on("exit", () => children.delete(child))
      createInterface({ input: child.stdout }).on("line", (line) => {
        // A kill may cut the last line.
        let said: PartyTold
        try {
          said = JSON.parse(line) as PartyTold
        } catch {
          return
        }
        if (said.told === "done") isDone = true
        if (said.told !== "took") return
        for (const [cursor, epoch] of said.items) {
          const lease = `${said.channel}#${cursor}@${epoch}`
          const pid = child.pid ?? 0
          if ((holders.get(lease) ?? pid) !== pid) leasesShared++
          holders.set(lease, pid)
          const item = `${said.channel}#${cursor}`
          deliveries.set(item, (deliveries.get(item) ?? 0) + 1)
        }
      })
      return child
    }
    const answered = (): number => kernel.effect.channels.store.statisticsOf(answers)?.events ?? 0

    const begin = (child: ChildProcess): ChildProcess => {
      child.stdin?.on("error", () => {})
      child.stdin?.write("go\n")
      return child
    }
    const asker = begin(await prepare("asker"))
    let answerer = begin(await prepare("answerer"))
    const failed = new Promise<never>((_, reject) => asker.on("exit", (code) => (code === 0 ? undefined : reject(new Error(`the asker ended with ${code}`)))))
    const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
      while (!await isSo()) await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 1))])
    }
    for (let kill = 1; kill <= kills; kill++) {
      const next = await prepare("answerer")
      await until(() => answered() >= Math.floor((asked * kill) / (kills + 1)))
      answerer.kill("SIGKILL")
      options.onKill?.(kill, answered())
      answerer = begin(next)
    }
    await until(() => isDone)
    // What was answered last is settled by whoever answers, not by whoever asks.
    await until(async () => (await kernel.channels.list()).find(({ name }) => name === asks)?.backlog === 0)
    answerer.kill("SIGKILL")

    const numbersOf = async (channel: string): Promise<ReadonlyArray<number>> => {
      const numbers: Array<number> = []
      let after = 0
      for (;;) {
        const page = await kernel.channels.read(channel, { after, limit: pageEvents })
        if (page.length === 0) return numbers
        for (const { cursor, payload } of page) {
          numbers.push((payload as { readonly n: number }).n) // what the two of them write
          after = cursor
        }
      }
    }
    const all = [await numbersOf(asks), await numbersOf(answers)]
    const lost = all.reduce((sum, numbers) => sum + asked - new Set(numbers).size, 0)
    const doubled = all.reduce((sum, numbers) => sum + numbers.length - new Set(numbers).size, 0)
    const views = await kernel.channels.list()
    const viewOf = (name: string): (typeof views)[number] | undefined => views.find((view) => view.name === name)
    const backlog = (viewOf(asks)?.backlog ?? 0) + (viewOf(answers)?.backlog ?? 0)
    const deadLetters = (viewOf(`${asks}.dead`)?.events ?? 0) + (viewOf(`${answers}.dead`)?.events ?? 0)
    const handedOutAgain = [...deliveries.values()].filter((count) => count > 1).length
    return {
      events: asked * 2, kills, millis: Date.now() - begun, lost, doubled, leasesShared, handedOutAgain, backlog, deadLetters,
      ok: lost + doubled + leasesShared + backlog + deadLetters === 0
    }
  } finally {
    for (const child of children) child.kill("SIGKILL")
    await kernel.close({ timeoutMillis: 1_000 })
    rmSync(directory, { recursive: true, force: true })
  }
}
