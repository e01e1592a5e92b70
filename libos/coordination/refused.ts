// The coordinator said no.
import * as Schema from "effect/Schema"
import { RefusalCode, type Refusal } from "../../protocol/coordination.ts"

const Maybe = Schema.optionalKey(Schema.String)

export class CoordinationRefused extends Schema.TaggedError<CoordinationRefused>()("CoordinationRefused", {
  code: RefusalCode, reason: Schema.String,
  /** The seat that is in the way, and its task; what a number would have to be. */
  holder: Maybe, conflict: Maybe, current: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    return this.reason
  }
}

export const refused = ({ code, conflict, current, holder, message }: Refusal): CoordinationRefused =>
  new CoordinationRefused({
    code, reason: message,
    ...(holder === undefined ? {} : { holder }), ...(conflict === undefined ? {} : { conflict }), ...(current === undefined ? {} : { current })
  })
