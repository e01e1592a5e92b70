// Report: writes the survey as Markdown and JSON, through the action gate, when there is nothing left to survey.
import { defineModule, EffectFailed, IdempotencyConflict, pause, Refused, StoreUnavailable, TimedOut, type Snapshot, type System } from "aaax"
import type { Summary } from "../survey/fold.ts"
import { canonical, json, markdown } from "./render.ts"

export interface ReportOptions {
  readonly id?: string
  /** Folder of the reports, relative to the first root of `fs.write`; empty: that root itself. */
  readonly folder?: string
  /** Shortest time between two reports, in milliseconds. */
  readonly everyMillis?: number
}

/** Pause before it looks again whether the survey has settled, in milliseconds. */
const settleMillis = 250
/** Looks after which a survey that has stopped moving is reported although some files are still pending. */
const looksMax = 20

export const report = (options: ReportOptions = {}): System => {
  const { everyMillis = 2_000, folder = ".aaax/reports", id = "report" } = options
  const at = (name: string): string => (folder === "" ? name : `${folder}/${name}`)
  return defineModule({
    id,
    description: `writes ${at("survey.md")} and survey.json through the action gate`,
    reads: { facts: "repo.facts", tasks: "repo.tasks" },
    executors: ["fs.write"],
    run: async ({ act, log, reads, signal, snapshots }) => {
      const write = async (name: string, content: string, digest: string): Promise<void> => {
        await act("fs.write", {
          target: at(name), action: "write the survey", payload: { content }, key: `${name}/${digest}`
        })
      }
      /** The survey, once it has taken in every fact and no task is left; `undefined` when it is stopped. */
      const settled = async (): Promise<Snapshot | undefined> => {
        let before = -1
        for (let looks = 0; !signal.aborted; looks++) {
          const { head } = await reads.facts.read({ after: Math.max(0, before), limit: 1 })
          const snapshot = await snapshots.get("repo.survey")
          const backlog = await reads.tasks.backlog()
          const survey = snapshot === undefined ? undefined : summaryOf(snapshot)
          if (head !== before) looks = 0
          before = head
          if (survey !== undefined && backlog === 0 && (snapshot?.cursor ?? -1) >= head && (survey.pending === 0 || looks > looksMax)) return snapshot
          await pause(settleMillis, signal)
        }
        return undefined
      }
      let written = 0
      while (!signal.aborted) {
        await reads.facts.awaitBeyond(written).catch((error: unknown) => {
          if (!signal.aborted) throw error
        })
        const snapshot = await settled()
        const survey = snapshot === undefined ? undefined : summaryOf(snapshot)
        if (snapshot === undefined || survey === undefined) return
        written = snapshot.cursor ?? written
        // The position is part of it: a folder that returns to an earlier state is reported again.
        const digest = await sha256(canonical({ value: snapshot.value, cursor: snapshot.cursor }))
        const content = { survey, surveyedAt: snapshot.recordedAt }
        try {
          await write("survey.md", markdown(content), digest)
          await write("survey.json", json(content), digest)
          log.info(`${survey.files} files reported in ${at("survey.md")}`)
        } catch (error) {
          // Refused or failed, it is tried again when the survey has changed; without an answer, soon.
          if (signal.aborted) return
          // These very contents were asked for before, at another moment: they are written.
          if (error instanceof IdempotencyConflict) continue
          const isVerdict = error instanceof Refused || error instanceof EffectFailed
          const isForNow = error instanceof TimedOut || error instanceof StoreUnavailable
          if (!isVerdict && !isForNow) throw error
          log.warn(`the report was not written: ${error.message}`)
          if (isForNow) written = -1
        } finally {
          await pause(everyMillis, signal)
        }
      }
    }
  })
}

export default report

/** `repo.survey` is put by the survey alone; its first key says that it is one. */
const summaryOf = (snapshot: Snapshot): Summary | undefined =>
  typeof snapshot.value === "object" && snapshot.value !== null && "files" in snapshot.value && "marks" in snapshot.value
    ? (snapshot.value as unknown as Summary)
    : undefined

const sha256 = async (text: string): Promise<string> =>
  Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))), (byte) => byte.toString(16).padStart(2, "0")).join("")
