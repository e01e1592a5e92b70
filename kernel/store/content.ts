// The digest by which a repeated append is told from a different one under the same key.
import { hash } from "node:crypto"
import type { Prepared } from "./store.ts"

const traceMark = ',"traceparent":"'
/** What the last member of a text takes when it is a trace, whose length is fixed. */
const traceLength = traceMark.length + 55 + 1

/** A text without its trace: who tries again is in another span, and says the same. */
const saidBy = (text: string): string => (text.startsWith(traceMark, text.length - traceLength) ? text.slice(0, -traceLength) : text)

/** sha-256 over ids and texts of a batch, as their writer gave them: what it inherits may be more the next time. A text is JSON, so a line feed never occurs in one and can separate them. */
export const digestOf = (batch: ReadonlyArray<Prepared>): string => {
  let content = ""
  for (let i = 0; i < batch.length; i++) content += `${batch[i]!.id ?? ""}\n${saidBy(batch[i]!.plain ?? batch[i]!.text)}\n`
  return hash("sha256", content, "base64url")
}
