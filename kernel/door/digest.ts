// Digests of texts, for comparing what may be secret and for shortening what may be long.
import { createHash } from "node:crypto"

export const digest = (text: string): Buffer => createHash("sha256").update(text).digest()
