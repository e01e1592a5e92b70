// The plan from the command line: declaring, changing and reporting on tasks. What is printed is the answer to this very request.
import * as Effect from "effect/Effect"
import { type Called, show } from "../called.ts"
import type { Ended } from "../failure.ts"
import { plain } from "../terminal.ts"
import { ancestral } from "./ancestral.ts"
import type { SeatFailure, SeatFlags } from "./connect.ts"
import { noteFrom, taskFrom } from "./records.ts"

type Done = Effect.Effect<void, SeatFailure | Ended>

export interface DeclareFlags extends SeatFlags {
  readonly title: string
  readonly description?: string
  readonly dependsOn: ReadonlyArray<string>
  readonly suggestedOwner?: string
  readonly expectedVersion?: number
}

export const declare = (called: Called, id: string, { dependsOn, description, expectedVersion, suggestedOwner, title, ...flags }: DeclareFlags): Done =>
  Effect.flatMap(ancestral(called, flags, async ({ agent }) => {
    const { task } = await agent.postTask(id, title, {
      depends_on: dependsOn, ...(description === undefined ? {} : { description }), ...(suggestedOwner === undefined ? {} : { suggested_owner: suggestedOwner }),
      ...(expectedVersion === undefined ? {} : { expected_version: expectedVersion })
    })
    return taskFrom(task)
  }), (task) => show(called, task, () => [
    plain(`declared ${task.task} — ${task.title} (deps: ${task.dependsOn.length === 0 ? "none" : task.dependsOn.join(", ")})`)
  ]))

export interface UpdateFlags extends SeatFlags {
  readonly status?: string
  readonly suggestedOwner?: string
  readonly expectedVersion?: number
}

export const update = (called: Called, id: string, { expectedVersion, status, suggestedOwner, ...flags }: UpdateFlags): Done =>
  Effect.flatMap(ancestral(called, flags, async ({ agent }) => {
    const { task } = await agent.updateLedgerTask(id, {
      ...(status === undefined ? {} : { status }), ...(suggestedOwner === undefined ? {} : { suggested_owner: suggestedOwner }),
      ...(expectedVersion === undefined ? {} : { expected_version: expectedVersion })
    })
    return taskFrom(task)
  }), (task) => show(called, task, () => [plain(`updated ${task.task} -> status=${task.status}`)]))

export const progress = (called: Called, id: string, text: string, { kind, ...flags }: SeatFlags & { readonly kind: string }): Done =>
  Effect.flatMap(ancestral(called, flags, async ({ agent }) => noteFrom((await agent.postProgress(id, text, { kind })).note)),
    (note) => show(called, note, () => [plain(`posted ${note.kind} on ${note.task}: ${note.text}`)]))
