// The backend that answers from a file: each line an answer and the digest of what it answers. With another backend behind
// it, it asks that one for what the file does not hold, and writes it down. So a test asks no provider, and pays none.
import { createHash } from "node:crypto"
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { canonical } from "../../guard/canonical.ts"
import { llmReplayBytesMax } from "../../limits.ts"
import { NotDone } from "../executor.ts"
import type { Asking, Backend } from "./backend.ts"
import type { ChatAnswer } from "../../../protocol/chat.ts"

interface Line {
  readonly request: string
  readonly answer: ChatAnswer
}

/** What the answer depends on: the request with its model, in canonical JSON. */
export const digestOf = ({ maxTokens, model, request }: Pick<Asking, "maxTokens" | "model" | "request">): string =>
  createHash("sha256").update(canonical({ ...request, model, maxTokens })).digest("hex")

const isLine = (value: unknown): value is Line =>
  typeof value === "object" && value !== null && typeof (value as Partial<Line>).request === "string" && typeof (value as Partial<Line>).answer?.content === "string"

/** Answers by digest; several for the same request are given one after the other, the last one for good. */
const read = (file: string): Map<string, Array<ChatAnswer>> => {
  const answers = new Map<string, Array<ChatAnswer>>()
  if (!existsSync(file)) return answers
  const text = readFileSync(file, "utf8")
  if (text.length > llmReplayBytesMax) throw new NotDone(`${file} has more than ${llmReplayBytesMax} characters`)
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "") continue
    let parsed: unknown
    try {
      parsed = JSON.parse(line)
    } catch {
      parsed = undefined
    }
    if (!isLine(parsed)) throw new NotDone(`${file}, line ${index + 1}, is no recorded answer`)
    answers.set(parsed.request, [...(answers.get(parsed.request) ?? []), parsed.answer])
  }
  return answers
}

/** `behind`: whom to ask for what is not recorded. The file is read at the first question. */
export const replayBackend = (file: string, behind?: Backend): Backend => {
  let answers: Map<string, Array<ChatAnswer>> | undefined
  return {
    kind: "replay",
    host: behind?.host ?? null,
    ask: async (asking) => {
      answers ??= read(file)
      const digest = digestOf(asking)
      const recorded = answers.get(digest)
      if (recorded !== undefined) {
        const answer = (recorded.length > 1 ? recorded.shift() : recorded[0])!
        if (answer.content !== "") asking.onText(answer.content)
        return answer
      }
      if (behind === undefined) throw new NotDone(`${file} has no answer for the request ${digest.slice(0, 16)}; record one with \`record\` in place of \`replay\``)
      const answer = await behind.ask(asking)
      appendFileSync(file, `${JSON.stringify({ request: digest, answer } satisfies Line)}\n`, { mode: 0o600 })
      answers.set(digest, [answer])
      return answer
    }
  }
}
