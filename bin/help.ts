// The first page of help, written out so that it costs nothing: examples first, then the commands by what one wants.

/** Commands by group; the program tree is checked against it by a test. */
export const groups: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>]> = [
  ["Start", [
    ["launch [CONFIG]", "start the constellation of this folder"],
    ["demo", "watch three agents share one repository, in a few seconds"],
    ["init [FOLDER]", "begin a project: a config, a module and its test"],
    ["status", "what runs, where it keeps things, and what waits"],
    ["doctor", "check the store, the journal and every system"],
    ["down", "drain and stop the kernel"]
  ]],
  ["Look", [
    ["ps", "docked systems and their state"],
    ["executors", "what is served, and how risky it is"],
    ["secrets", "secrets of the config, never their values"],
    ["channels", "channels, their heads and what waits in them"],
    ["tail PATTERN", "events of all channels that match, in order of time"],
    ["read CHANNEL", "a page of one channel"],
    ["snapshot get NAME", "the latest value of a name"]
  ]],
  ["Act", [
    ["append CHANNEL DATA", "append an event as operator"],
    ["act EXECUTOR TARGET", "ask the gate for an effect"],
    ["gate", "what waits: ls, show, approve, deny, edit, watch, standing, …"],
    ["why PATH|EVENT", "who changed it last, or what led to it"],
    ["policy", "what decides: show, check, test, explain, activate, log, revert"],
    ["freeze", "let nothing new start, until: thaw"],
    ["thaw", "let actions start again"],
    ["audit", "the journal: tail, verify, prove, export, accept-rollback"]
  ]],
  ["Coordinate", [
    ["claims", "who may change which files: ls, take, release, check, why, accept-loss"],
    ["lock ID -- COMMAND", "run a command while nobody else has the lock"],
    ["git", "hold commits against claims: install, uninstall, status"],
    ["who", "seats that are online"],
    ["state", "live claims, and the files that go with them"],
    ["board", "the plan, and which tasks can be begun"],
    ["task", "the plan: declare, update, progress"],
    ["manifest", "what the seats can do"],
    ["send MESSAGE", "say something to seats, also to those that are away"],
    ["inbox", "messages that wait for the seat; --wait stays for one"],
    ["wait", "until somebody writes to the seat"],
    ["listen", "what is said, and who comes and goes"],
    ["receipts [MESSAGE]", "how far messages came, and which nobody took"],
    ["handoff TASK SEAT", "move a claim to another seat"],
    ["ask [FILE]", "a seat that a file or a pipe drives, in lines of JSON"],
    ["hub", "a hub of its own, without a constellation"],
    ["team", "a hub, and workers with the models of this machine"],
    ["worker", "a seat whose messages a language model answers"],
    ["supervisor", "offers stalled tasks again"],
    ["relay FILE", "what a hub mirrored to a file"]
  ]],
  ["Stores", [
    ["create-channel NAME", "a new channel, here or in a .sssn directory (--store)"],
    ["get-channel NAME", "what it is"],
    ["query-events CHANNEL", "its events, one per line"],
    ["get-event ID", "one event"],
    ["create-subscription CHANNEL", "a durable cursor"],
    ["get-subscription ID", "how far it is"],
    ["pull-subscription ID", "its next events"],
    ["write-artifact DATA", "keep bytes"],
    ["get-artifact ID", "what is known of them"],
    ["read-artifact ID", "the bytes"],
    ["put-snapshot NAME JSON", "replace the latest value of a name"],
    ["get-snapshot NAME", "the latest value, with where it comes from"],
    ["serve", "serve a .sssn directory on this machine"],
    ["import sssn DIR", "read a .sssn directory; --verify compares"],
    ["export", "write a .sssn directory, or lines of JSON"]
  ]],
  ["Systems", [
    ["pause ID", "stop a system at its next kernel call"],
    ["resume ID", "let it go on"],
    ["drain ID", "let it finish, then stop it"],
    ["revoke ID", "end its grants and stop it for good"],
    ["undock ID", "take its port and grants back"],
    ["modules", "loaded modules: list, load FILE, approve ID"],
    ["module", "sign a module's files, verify them: sign FILE, verify FILE"],
    ["cap", "who may use what: ls, show, issue, delegate, revoke, token"],
    ["enroll NAME", "let a system outside in by a key of its own; ls, card, revoke, rotate"],
    ["budget", "what systems may spend: ls, show, set, clear"],
    ["token", "who may come in from outside: mint NAME, ls, revoke"],
    ["clock confirm", "believe the wall clock after a jump"]
  ]]
]

export const examples: ReadonlyArray<readonly [string, string]> = [
  ["aaax launch", "survey this folder, with the gate in front of every write"],
  ["aaax tail 'repo.*' --follow", "watch what it does, from a second terminal"],
  ["aaax act process.run git --payload '{\"args\":[\"status\"]}' --wait", "ask for a program; a human must approve"],
  ["aaax gate approve ID", "answer it"],
  ["aaax snapshot get repo.survey --json", "what the survey found"]
]

export const rootHelp = (version: string): string => {
  const lines = [`aaax ${version}: an operating system runtime for agents.`, "", "Examples"]
  const wide = Math.max(...examples.map(([command]) => command.length))
  for (const [command, meaning] of examples) {
    lines.push(command.length > 44 ? `  ${command}\n  ${" ".repeat(Math.min(wide, 44))}  ${meaning}` : `  ${command.padEnd(44)}  ${meaning}`)
  }
  for (const [title, commands] of groups) {
    lines.push("", title, ...commands.map(([usage, meaning]) => `  ${usage.padEnd(27)}  ${meaning}`))
  }
  lines.push(
    "", "Everywhere",
    "  --json                  bare data on stdout, one object per line for streams",
    "  --dir PATH              the folder of the constellation; default: this one",
    "  --help, --version       aaax COMMAND --help says more",
    "  --completions SHELL     a completion script for bash, zsh, fish or powershell",
    "", "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict, 6 no kernel, 7 timeout, 70 internal."
  )
  return lines.join("\n")
}
