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

/** A check of the kernel found something. */
export class Unhealthy extends Schema.TaggedError<Unhealthy>()("Unhealthy", { findings: Schema.Int, places: Schema.Array(Schema.String) }) {
  override get message(): string {
    return `${this.findings} ${this.findings === 1 ? "finding" : "findings"}: ${this.places.join(", ")}.`
  }
}
