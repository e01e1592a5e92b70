// The target of a request: path segments and query. Decoded once; what could mean another place is not a path at all.
import { httpSegmentsMax, httpTargetLengthMax } from "../limits.ts"

export interface Target {
  /** Decoded. None is empty, `.`, `..`, or holds a control character or a backslash. */
  readonly segments: ReadonlyArray<string>
  /** Behind the question mark, as it came. */
  readonly search: string
}

// Control characters are what it refuses.
// eslint-disable-next-line no-control-regex -- see above
const unsafe = /[\u0000-\u001f\u007f\\]/u

const isSegment = (text: string): boolean =>
  text !== "" && text !== "." && text !== ".." && !text.startsWith("../") && !text.endsWith("/..") && !text.includes("/../") && !unsafe.test(text)

/** Nothing when it is not a path that anything here could have. A slash at the end is passed over. */
export const targetOf = (url: string): Target | undefined => {
  if (url.length > httpTargetLengthMax || !url.startsWith("/")) return undefined
  const mark = url.indexOf("?")
  const path = mark < 0 ? url : url.slice(0, mark)
  const search = mark < 0 ? "" : url.slice(mark + 1)
  if (path === "/") return { segments: [], search }
  const segments = path.slice(1, path.endsWith("/") ? -1 : undefined).split("/")
  if (segments.length > httpSegmentsMax) return undefined
  for (let at = 0; at < segments.length; at++) {
    let segment = segments[at]!
    if (segment.includes("%")) {
      try {
        segment = segments[at] = decodeURIComponent(segment)
      } catch {
        return undefined
      }
    }
    if (!isSegment(segment)) return undefined
  }
  return { segments, search }
}
