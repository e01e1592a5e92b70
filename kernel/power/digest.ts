// Digests: sha-256 over text, and over values by their canonical JSON.
import { hash } from "node:crypto"
import { canonical } from "../guard/canonical.ts"

/** sha-256 of the text's UTF-8 bytes, in lower-case hexadecimal. */
export const sha256Hex = (text: string): string => hash("sha256", text, "hex")

/** sha-256 of the canonical JSON of `value`, in lower-case hexadecimal. */
export const digestOf = (value: unknown): string => sha256Hex(canonical(value))
