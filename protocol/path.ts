// Relative paths: the one rule for what may name a file below a root. Pure: what the file system makes of it is seen when it is opened.

/** Longest segment, in bytes of UTF-8: what common file systems take. */
export const segmentBytesMax = 255
/** Longest path, in UTF-16 code units. */
export const pathLengthMax = 1_024
export const pathSegmentsMax = 64

/** Not empty, relative, and without empty, `.` and `..` segments: it stays below where it starts unless a link leads away. */
export const isConfined = (path: string): boolean =>
  path !== "" && !path.includes("\0") && path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..")

const bytes = new TextEncoder()

/**
 * Why a path may not be written, or nothing. Beyond what leads out, it refuses what two systems would read as two
 * different files or as the same: backslashes, colons, invisible characters, trailing dots and spaces, and spellings
 * that are not in Unicode normal form C.
 */
export const pathRefusal = (path: string): string | undefined => {
  if (path === "") return "the path is empty"
  if (path.length > pathLengthMax) return `the path is longer than ${pathLengthMax} characters`
  if (path.startsWith("/")) return "the path is absolute; it has to be relative to the root"
  if (path.startsWith("~")) return "the path starts with ~, which stands for nothing here"
  if (path.includes("\\")) return "the path has a backslash; segments are separated by /"
  if (path.includes(":")) return "the path has a colon"
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(path)) return "the path has a character that cannot be seen"
  if (path !== path.normalize("NFC")) return "the path is not in Unicode normal form C"
  const segments = path.split("/")
  if (segments.length > pathSegmentsMax) return `the path has more than ${pathSegmentsMax} segments`
  for (const segment of segments) {
    if (segment === "") return "the path has an empty segment or ends with /"
    if (segment === "." || segment === "..") return `the path has a ${segment} segment`
    if (/[.\s]$/u.test(segment)) return "a segment of the path ends with a dot or white space"
    if (/^\s/u.test(segment)) return "a segment of the path starts with white space"
    if (bytes.encode(segment).length > segmentBytesMax) return `a segment of the path is longer than ${segmentBytesMax} bytes`
  }
  return undefined
}

/** A folder that belongs to somebody else, at whatever depth, with the exceptions below it. Case does not count. */
export interface Reserved {
  readonly name: string
  /** Segments that may follow. */
  readonly except: ReadonlyArray<string>
}

/** git's own files run code; the kernel's own hold its state. Reports are for everybody. */
export const reservedFolders: ReadonlyArray<Reserved> = [
  { name: ".git", except: [] },
  { name: ".aaax", except: ["reports"] }
]

/** The reserved folder that a path enters, or nothing. */
export const reservedIn = (path: string, reserved: ReadonlyArray<Reserved> = reservedFolders): string | undefined => {
  const segments = path.toLowerCase().split("/")
  for (let i = 0; i < segments.length; i++) {
    const folder = reserved.find(({ name }) => name.toLowerCase() === segments[i])
    const next = segments[i + 1]
    // An exception opens a folder, never the name itself: `.aaax/reports` as a file is refused, `.aaax/reports/x` is not.
    if (folder !== undefined && !(i + 2 < segments.length && folder.except.some((name) => name.toLowerCase() === next))) return folder.name
  }
  return undefined
}
