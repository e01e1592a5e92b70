// The digest by which a repeated append is told from a different one under the same key.
import { hash } from "node:crypto"
import type { Prepared } from "./store.ts"

/** sha-256 over ids and texts of a batch. A text is JSON, so a line feed never occurs in one and can separate them. */
export const digestOf = (batch: ReadonlyArray<Prepared>): string => {
  let content = ""
  for (let i = 0; i < batch.length; i++) content += `${batch[i]!.id ?? ""}\n${batch[i]!.text}\n`
  return hash("sha256", content, "base64url")
}
