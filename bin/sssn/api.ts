// The portable store API as the command line uses it: a `.sssn` directory, or the kernel that runs here.
import type { LocalStore } from "../../kernel/store/local.ts"

type Answers<Method> = Method extends (...args: infer Args) => infer Answer ? (...args: Args) => Answer | Promise<Answer> : never

type Used =
  | "createChannel" | "listChannels" | "getChannel" | "appendEvent" | "queryEvents" | "getEvent" | "createSubscription" | "getSubscription"
  | "pullSubscription" | "writeArtifact" | "getArtifact" | "readArtifact" | "putSnapshot" | "getSnapshot" | "close"

/** What a local store offers, at once or later. */
export type PortableApi = { readonly [Name in Used]: Answers<LocalStore[Name]> }
