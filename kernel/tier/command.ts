// How a program is started in a tier: the command line, as data. Nothing here runs anything.
import { basename } from "node:path"
import { tierProcessesMax, tierReservedBytes, tierScratchBytes } from "../limits.ts"

/** What this machine has. A missing tool is a missing bound, and said. */
export interface Tools {
  readonly node: string
  /** `--permission`, or its name in Node 20; absent: this Node has none. */
  readonly permission: string | undefined
  readonly prlimit: string | undefined
  readonly bwrap: string | undefined
}

export interface ProgramLimits {
  readonly memoryBytes: number
  readonly heapBytes: number
  readonly processorSeconds: number
}

/** The child that runs modules, or a program in any language. */
export type What =
  | { readonly is: "module"; readonly child: string }
  /** `file` is absolute; `args` that name files of the module are absolute, and are in `files`. */
  | { readonly is: "program"; readonly file: string; readonly args: ReadonlyArray<string>; readonly files: ReadonlyArray<string> }

export interface CommandLine {
  readonly file: string
  readonly args: ReadonlyArray<string>
}

const nodeArgs = (child: string, { heapBytes }: ProgramLimits, { permission }: Tools): ReadonlyArray<string> => [
  ...(permission === undefined ? [] : [permission, `--allow-fs-read=${child}`]),
  "--disallow-code-generation-from-strings",
  "--disable-proto=throw",
  "--no-warnings",
  // Else WebAssembly, and with it `fetch`, reserves more address space than the bound below leaves.
  "--disable-wasm-trap-handler",
  `--max-old-space-size=${Math.max(16, Math.round(heapBytes / 1_048_576))}`,
  child
]

const bounded = (prlimit: string | undefined, limits: ProgramLimits, jailed: boolean): ReadonlyArray<string> =>
  prlimit === undefined
    ? []
    : [
        prlimit, `--as=${tierReservedBytes + limits.memoryBytes}`, `--cpu=${limits.processorSeconds}`, "--core=0",
        // Processes are counted for a user; in a jail that is nobody else.
        ...(jailed ? [`--nproc=${tierProcessesMax}`] : []), "--"
      ]

/** As an own process: with few rights of Node's for a module, with none of the environment for a program. */
export const processCommand = (what: What, limits: ProgramLimits, tools: Tools): CommandLine => {
  const own = what.is === "module" ? [tools.node, ...nodeArgs(what.child, limits, tools)] : [what.file, ...what.args]
  const [file, ...args] = [...bounded(tools.prlimit, limits, false), ...own]
  return { file: file!, args } // there is the program at least
}

/** Where the files of a jail are seen. */
const inside = "/aaax"

/** In a jail: no network, no file of the host's but the system's programs, no other process, nothing to write but a little memory. */
export const jailCommand = (what: What, limits: ProgramLimits, tools: Tools): CommandLine => {
  const binds: Array<string> = []
  const seen = new Map<string, string>()
  const bind = (path: string): string => {
    if (path.startsWith("/usr/")) return path
    const known = seen.get(path)
    if (known !== undefined) return known
    const at = `${inside}/${seen.size}/${basename(path)}`
    seen.set(path, at)
    binds.push("--ro-bind", path, at)
    return at
  }
  const own = what.is === "module"
    ? [bind(tools.node), ...nodeArgs(bind(what.child), limits, tools)]
    : [bind(what.file), ...what.args.map((arg) => (what.files.includes(arg) ? bind(arg) : arg))]
  return {
    file: tools.bwrap ?? "bwrap",
    args: [
      "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--uid", "65534", "--gid", "65534", "--hostname", "jail",
      "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
      "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
      "--proc", "/proc", "--dev", "/dev", "--size", String(tierScratchBytes), "--tmpfs", "/tmp",
      ...binds, "--remount-ro", "/", "--chdir", "/tmp", "--",
      ...bounded(tools.prlimit, limits, true), ...own
    ]
  }
}
