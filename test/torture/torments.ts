// Every torment that `npm run torture` knows, the default first.
import { seats } from "./seats.ts"
import { cedarTorment } from "./cedar.ts"
import { claimsTorment } from "./claims.ts"
import { exchange } from "./exchange.ts"
import { fuzz } from "./fuzz.ts"
import { linearTorment } from "./linear/linear.ts"
import { matrix } from "./matrix/matrix.ts"
import { mutationsTorment } from "./mutations.ts"
import { points } from "./terms.ts"
import { racesTorment } from "./races.ts"
import { tamperTorment } from "./tamper.ts"
import { numbers, seconds, type Torment } from "./torment.ts"
import { torture } from "./torture.ts"

const cycles: Torment = {
  option: "cycles",
  argument: "N",
  says: "kills a working kernel N times with -9 and checks that nothing was lost or done twice",
  run: async ({ count, program, progress, seed }) => {
    const report = await torture({ world: program("world"), cycles: count, seed, onCycle: (cycle, at) => progress(`${cycle}/${count} killed: ${at}`) })
    return {
      report,
      lines: [
        `${report.cycles} kills in ${seconds(report.millis)}: ${["random", ...points].map((point) => `${point} ${report.kills[point]}`).join(", ")}`,
        `${report.pieces} pieces of work, ${report.effects} effects, ${report.acknowledged.events} events and ${report.acknowledged.receipts} receipts acknowledged`,
        ...numbers(report, "eventsLost", "effectsDoubled", "effectsUnauthorized", "receiptsWithoutEffect", "tasksLost", "factsDoubled", "repliesWrong"),
        `unknown: ${report.unknown.listed} listed, ${report.unknown.reconciled} reconciled, ${report.unknown.left} left`,
        `hash chain ${report.chainVerified ? "verifies" : "IS BROKEN"}; ${report.storeProblems.length} store problems`
      ]
    }
  }
}

const exchanging: Torment = {
  option: "exchange",
  argument: "EVENTS",
  says: "lets two processes exchange events through a kernel and kills one of them --cycles times (10)",
  run: async ({ count, cycles = 10, program, progress }) => {
    const report = await exchange({ party: program("party"), events: count, kills: cycles, onKill: (kill, answered) => progress(`${kill}/${cycles} killed, ${answered} answered`) })
    return {
      report,
      lines: [
        `${report.events} events exchanged in ${seconds(report.millis)}, one of two processes killed ${report.kills} times, ${report.handedOutAgain} items handed out again`,
        ...numbers(report, "lost", "doubled", "leasesShared", "backlog", "deadLetters")
      ]
    }
  }
}

const fuzzing: Torment = {
  option: "fuzz",
  argument: "REQUESTS",
  says: "sends a published kernel so many requests and frames as nobody sends them",
  run: async ({ count, progress, seed }) => {
    const report = await fuzz({ requests: count, seed, onRequest: (sent) => sent % 500 === 0 && progress(`${sent}/${count} sent`) })
    return {
      report,
      lines: [
        `${report.requests} requests and ${report.frames} frames in ${seconds(report.millis)}: ${Object.entries(report.statuses).map(([status, times]) => `${status} ${times}`).join(", ")}`,
        ...report.wrong.map((one) => `wrong: ${one}`),
        ...(report.grownBytes === null ? [] : [`heap grown by ${(report.grownBytes / 1e6).toFixed(1)} MB`])
      ]
    }
  }
}

const everyPoint: Torment = {
  option: "matrix",
  argument: "warrant",
  words: ["warrant"],
  says: "kills a kernel at every journal write and around every executor call of all ways that a warrant can go (--every N: at every Nth; --again P: and its next life at point P)",
  run: async ({ again, every, program, progress }) => {
    const report = await matrix({ world: program("matrix-world"), every, again, onPoint: (done, all) => progress(`${done}/${all} points`) })
    return {
      report,
      lines: [
        `${report.deaths} deaths at ${report.points} points in ${seconds(report.millis)}, ${report.unknown} outcomes unknown and reconciled`,
        ...numbers(
          report, "unauthorizedEffects", "effectsDoubled", "effectsWithoutIntent", "receiptsWrong", "warrantsOpen", "endingsWrong", "repliesWrong", "unknownWrong", "takenBackWrong", "reservationsLeft", "chainsBroken"
        ),
        ...report.wrong.map((one) => `wrong: ${one}`)
      ]
    }
  }
}

const seating: Torment = {
  option: "seats",
  argument: "SEATS",
  says: "lets so many seats claim at one hub while one floods, one stops reading and one connects again and again",
  run: async ({ count, program, progress }) => {
    const report = await seats({ hub: program("seats-hub"), seats: Math.max(8, count), onSecond: (second, claims) => progress(`${second} s, ${claims} claims`) })
    const millis = (value: number): string => `${value.toFixed(1)} ms`
    return {
      report,
      lines: [
        `${report.seats} seats, ${report.claims} claims in ${seconds(report.millis)}: p50 ${millis(report.p50Millis)}, p99 ${millis(report.p99Millis)} (before: ${millis(report.quietP99Millis)}), at most ${millis(report.maxMillis)}`,
        `${report.chatsHeard} messages of the flood heard, ${report.reconnects} connections of the one that comes again`,
        `who stopped reading was let go after ${report.stalledLeftMillis === null ? "never" : seconds(report.stalledLeftMillis)}; at most ${(report.outboxBytesMax / 1e6).toFixed(1)} MB waited`,
        ...numbers(report, "lost")
      ]
    }
  }
}

export const torments: ReadonlyArray<Torment> = [cycles, exchanging, fuzzing, everyPoint, cedarTorment, claimsTorment, linearTorment, racesTorment, tamperTorment, mutationsTorment, seating]
