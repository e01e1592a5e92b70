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

/** The folder cannot hold a kernel: nothing was started. */
export class NotLaunched extends Schema.TaggedError<NotLaunched>()("NotLaunched", { directory: Schema.String, reason: Schema.String }) {
  override get message(): string {
    return `No kernel can be launched in ${this.directory}: ${this.reason}.`
  }
}

/** One kernel for each folder: commands find it by the folder. */
export class AlreadyRunning extends Schema.TaggedError<AlreadyRunning>()("AlreadyRunning", { directory: Schema.String, pid: Schema.Int }) {
  override get message(): string {
    return `A kernel runs in ${this.directory} already, with pid ${this.pid}. Stop it (aaax down), or launch in another folder (--dir).`
  }
}

/** Files are there already that would be written: nothing was. */
export class WouldOverwrite extends Schema.TaggedError<WouldOverwrite>()("WouldOverwrite", { directory: Schema.String, files: Schema.Array(Schema.String) }) {
  override get message(): string {
    return `Nothing was written to ${this.directory}, because these files are there with other content: ${this.files.join(", ")}.`
  }
}

/** An ancestor's command ended in one of its own ways: with its words and its exit code. */
export class Ended extends Schema.TaggedError<Ended>()("Ended", { code: Schema.Int, reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

/** Git could not do what a command needs. */
export class GitFailed extends Schema.TaggedError<GitFailed>()("GitFailed", { reason: Schema.String }) {
  override get message(): string {
    return `${this.reason}.`
  }
}
