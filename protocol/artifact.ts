// An artifact: bytes kept by their digest, referenced by events, never inside one.
import * as Schema from "effect/Schema"

export const Artifact = Schema.Struct({
  /** sha-256 of the bytes, in lower-case hexadecimal. */
  digest: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)),
  sizeBytes: Schema.Int,
  mediaType: Schema.String
})
export interface Artifact extends Schema.Schema.Type<typeof Artifact> {}
