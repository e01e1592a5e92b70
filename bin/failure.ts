// Failures of the command line itself.
import * as Schema from "effect/Schema"

/** The command was not called as it must be. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { reason: Schema.String, help: Schema.optionalKey(Schema.String) }) {
  override get message(): string {
    return `${this.reason}${this.help === undefined ? "" : `\nRun ${this.help} to see how.`}`
  }
}

/** There is nothing of that name. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { what: Schema.String, nearest: Schema.optionalKey(Schema.String) }) {
  override get message(): string {
    return `Not found: ${this.what}.${this.nearest === undefined ? "" : ` Did you mean ${this.nearest}?`}`
  }
}
