// Who a chat message is for: a seat, several with commas, globs that know no segments, or everybody.

/** Longest target that is looked at, in UTF-16 code units; a longer one is for nobody but who is named by all of it. */
const targetLengthMax = 4_096

export const isEverybody = (target: string): boolean => {
  const text = target.trim()
  return text === "" || text === "all"
}

/** The seats and patterns that a target names. */
export const targetParts = (target: string): ReadonlyArray<string> =>
  target.length > targetLengthMax ? [target] : target.split(",").map((part) => part.trim()).filter((part) => part !== "")

/** One element of a pattern: a run of anything, any character, a set, or a character itself. */
type Element = "run" | "any" | { readonly negated: boolean; readonly ranges: ReadonlyArray<readonly [string, string]> } | { readonly is: string }

const elementsOf = (pattern: string): ReadonlyArray<Element> => {
  const characters = [...pattern]
  const elements: Array<Element> = []
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!
    if (character === "*") {
      if (elements.at(-1) !== "run") elements.push("run")
    } else if (character === "?") elements.push("any")
    else if (character !== "[") elements.push({ is: character })
    else {
      const negated = characters[at + 1] === "!"
      const from = at + (negated ? 2 : 1)
      // A bracket that opens a set may be its first member.
      const end = characters.indexOf("]", from + 1)
      if (end === -1) {
        elements.push({ is: "[" })
        continue
      }
      const ranges: Array<readonly [string, string]> = []
      for (let member = from; member < end; member++) {
        if (characters[member + 1] === "-" && member + 2 < end) {
          ranges.push([characters[member]!, characters[member + 2]!])
          member += 2
        } else ranges.push([characters[member]!, characters[member]!])
      }
      elements.push({ negated, ranges })
      at = end
    }
  }
  return elements
}

const takes = (element: Element, character: string): boolean => {
  if (element === "any") return true
  if (element === "run") return false
  if ("is" in element) return element.is === character
  return element.ranges.some(([low, high]) => low <= character && character <= high) !== element.negated
}

/** `*`, `?`, `[seq]` and `[!seq]`, case-sensitive, `*` also across `/`. Takes time proportional to pattern × text. */
export const matchesName = (pattern: string, name: string): boolean => {
  if (!/[*?[]/u.test(pattern)) return pattern === name
  const elements = elementsOf(pattern)
  const characters = [...name]
  let [at, element] = [0, 0]
  // Only the last run may have to take more: what was before it has found its place.
  let [runAt, runElement] = [-1, -1]
  while (at < characters.length) {
    const wanted = elements[element]
    if (wanted === "run") {
      runAt = at
      runElement = element++
    } else if (wanted !== undefined && takes(wanted, characters[at]!)) {
      at += 1
      element += 1
    } else if (runElement >= 0) {
      at = ++runAt
      element = runElement + 1
    } else return false
  }
  while (elements[element] === "run") element += 1
  return element === elements.length
}

/** It names somebody, and this seat is among them. */
export const isDirected = (target: string, name: string): boolean => !isEverybody(target) && targetParts(target).some((part) => matchesName(part, name))

export const isRecipient = (target: string, name: string): boolean => isEverybody(target) || isDirected(target, name)

/** It is for everybody, for a project, or for somebody in it. */
export const addressesProject = (target: string, project: string): boolean =>
  isEverybody(target) || targetParts(target).some((part) => part === project || part.startsWith(`${project}/`))

/** Whether a seat belongs to a project: it is of that name, or below it. */
export const isInProject = (name: string, project: string): boolean => name === project || name.startsWith(`${project}/`)

/** Whether a message ends the wait of a seat; one that waits for what is directed at it is also woken by what is urgent. */
export const wakes = (
  message: { readonly target: string; readonly priority?: boolean }, name: string, options: { readonly directedOnly?: boolean } = {}
): boolean => options.directedOnly === true ? message.priority === true || isDirected(message.target, name) : isRecipient(message.target, name)
