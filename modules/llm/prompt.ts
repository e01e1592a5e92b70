// Prompts and tasks: what a task says, and what its variables put into a prompt.

export interface Task {
  /** What the user says. */
  readonly input: string
  readonly variables: Readonly<Record<string, string>>
}

/** `{name}` becomes the variable; what has none stays, and `{{` and `}}` are braces. What was put in is not looked through again. */
export const filled = (prompt: string, variables: Readonly<Record<string, string>>): string =>
  prompt.replace(/\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}/gu, (match, name: string | undefined) => {
    if (name === undefined) return match[0] ?? ""
    return Object.hasOwn(variables, name) ? variables[name] ?? "" : match
  })

/** A text is what the user says; `{ input, variables }` says more; anything else is shown to the model as JSON. */
export const taskOf = (payload: unknown): Task => {
  if (typeof payload === "string") return { input: payload, variables: {} }
  if (typeof payload === "object" && payload !== null && !Array.isArray(payload)) {
    const { input, variables } = payload as Readonly<Record<string, unknown>> // an object that is no array is a record of unknowns
    if (typeof input === "string") {
      const given = typeof variables === "object" && variables !== null ? Object.entries(variables) : []
      return { input, variables: Object.fromEntries(given.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])) }
    }
  }
  return { input: JSON.stringify(payload ?? null), variables: {} }
}
