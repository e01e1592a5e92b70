// What is written into hooks: plain sh that first runs the hook that was there, then asks us. The path to us is absolute, so that no PATH leads elsewhere.

/** The hooks that do something. */
export const ours = ["pre-commit", "post-commit", "post-merge"] as const
export type Ours = (typeof ours)[number]

/** Hooks that change nothing by being there: those that are passed on when the folder of hooks is ours. */
export const passedOn = [
  "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-rebase", "post-checkout", "pre-push",
  "post-rewrite", "sendemail-validate", "pre-auto-gc", "pre-receive", "update", "post-receive", "post-update"
] as const

/** Those that git does something else for, or waits for all the time: passed on when they are there. */
export const passedOnIfThere = [
  "reference-transaction", "post-index-change", "push-to-checkout", "proc-receive", "fsmonitor-watchman", "p4-changelist", "p4-prepare-changelist",
  "p4-post-changelist", "p4-pre-submit"
] as const

/** The second line of every file of ours: how it is known again. */
export const mark = "# Written by aaax git install; removed by aaax git uninstall."

export const isOurs = (text: string): boolean => text.split("\n", 2)[1] === mark

export const quote = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`

/** How we are called: the interpreter and the file, both absolute. */
export interface Program {
  readonly node: string
  readonly file: string
}

const guarded = ({ file, node }: Program, otherwise: string): ReadonlyArray<string> => [
  `if [ ! -x ${quote(node)} ] || [ ! -f ${quote(file)} ]; then`,
  `  echo "aaax: it is not where it was when this hook was installed (${file.replaceAll(/["`$\\]/gu, "")})." >&2`,
  `  ${otherwise}`,
  "fi"
]

const unquoted = (word: string): string => word.slice(1, -1).replaceAll("'\\''", "'")

/** The program that a hook of ours asks; nothing when it asks none. */
export const programIn = (text: string): Program | undefined => {
  const [, node, file] = /^if \[ ! -x ('.*') \] \|\| \[ ! -f ('.*') \]; then$/mu.exec(text) ?? []
  return node === undefined || file === undefined ? undefined : { node: unquoted(node), file: unquoted(file) }
}

const body = (hook: Ours, program: Program): ReadonlyArray<string> => {
  const call = `${quote(program.node)} ${quote(program.file)}`
  switch (hook) {
    case "pre-commit":
      return [
        ...guarded(program, `echo "try: aaax git install again, or aaax git uninstall; or, knowing that nothing is checked: git commit --no-verify" >&2; exit 1`),
        `exec ${call} claims check --staged >/dev/null`
      ]
    case "post-commit":
      return [...guarded(program, "exit 0"), `${call} claims release --on commit --quiet >/dev/null || :`]
    case "post-merge":
      return [...guarded(program, "exit 0"), `${call} claims release --on merge --quiet >/dev/null || :`]
  }
}

/** `before`: the hook that was there, as a path that sh can run from the top of the working tree; nothing when there is none to look for. */
export const scriptOf = (hook: string, program: Program, before: string | undefined): string => {
  const own = ours.find((one) => one === hook)
  // What was there before says no first, and what it says stands; behind a commit there is nothing to say no to.
  const stops = own === undefined || own === "pre-commit"
  return [
    "#!/bin/sh",
    mark,
    ...(before === undefined ? [] : own === undefined
      ? [`[ -x ${quote(before)} ] || exit 0`, `exec ${quote(before)} "$@"`]
      : [`if [ -x ${quote(before)} ]; then`, `  ${quote(before)} "$@" ${stops ? "|| exit $?" : "|| :"}`, "fi"]),
    ...(own === undefined ? [] : body(own, program)),
    ""
  ].join("\n")
}
