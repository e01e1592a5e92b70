// The ancestor's verbs: how each is called. They keep its habits: one object per line, and every mistake is exit 2.

const verbs: Readonly<Record<string, string>> = {
  "channels": "",
  "create-channel": "NAME [--schema S] [--form log] [--description TEXT] [--metadata OBJECT]",
  "get-channel": "NAME",
  "append": "CHANNEL PAYLOAD [--kind event] [--source S] [--schema S] [--timestamp SECONDS] [--metadata OBJECT] [--correlation-id ID] [--parent-id ID ...]",
  "query-events": "CHANNEL [--after-cursor 0] [--limit 100] [--kind K]",
  "get-event": "ID",
  "create-subscription": "CHANNEL [--id ID] [--consumer C] [--batch-size 100] [--kind K]",
  "get-subscription": "ID",
  "pull-subscription": "ID [--limit N]",
  "write-artifact": "DATA [--encoding text|base64] [--channel C] [--media-type M] [--metadata OBJECT] [--event-id ID ...]",
  "get-artifact": "ID",
  "read-artifact": "ID [--encoding text|base64]",
  "put-snapshot": "NAME VALUE [--channel C] [--schema S] [--source-event-id ID] [--metadata OBJECT]",
  "get-snapshot": "NAME",
  "serve": "[--host 127.0.0.1] [--port 7700] [--log-level info]"
}

/** Verbs that mean something else when no store is named. */
const shared = new Set(["channels", "append"])

const isStoreFlag = (argument: string): boolean => argument === "--store" || argument.startsWith("--store=")

/** How the verb of these arguments is called, when it is one of the ancestor's; else nothing. */
export const usageOf = (args: ReadonlyArray<string>): string | undefined => {
  const [verb = ""] = args
  if (!Object.hasOwn(verbs, verb) || (shared.has(verb) && !args.some(isStoreFlag))) return undefined
  return `usage: aaax ${verb} [--store DIR] ${verbs[verb]}`.trimEnd()
}

/** `--store DIR VERB ...`, as the ancestor has it, as `VERB --store DIR ...`. */
export const storeBehindVerb = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [first = ""] = args
  if (!isStoreFlag(first)) return args
  const count = first === "--store" ? 2 : 1
  const [verb, ...rest] = args.slice(count)
  return verb === undefined ? args : [verb, ...args.slice(0, count), ...rest]
}
