// Which local models there are, and which of them a team works with.

/** The model server of this machine: where $OLLAMA_HOST says, as its own programs read it, else at its usual port. */
export const modelServer = (said: string | undefined = process.env["OLLAMA_HOST"]): string => {
  const text = said?.trim() ?? ""
  const url = URL.canParse(text) && /^https?:/u.test(text) ? text : `http://${text}`
  if (text === "" || !URL.canParse(url)) return "http://127.0.0.1:11434"
  const { hostname, port, protocol } = new URL(url)
  // It listens on all addresses; this is the one to call it by.
  return `${protocol}//${hostname === "0.0.0.0" ? "127.0.0.1" : hostname}:${port === "" ? (url === text ? (protocol === "https:" ? "443" : "80") : "11434") : port}`
}
const detectMillis = 2_000

const fastPreferences = ["gemma3:4b", "gemma3:1b", "llama3", "gemma"]
const reasonPreferences = ["gemma3:12b", "gemma4", "llama3", "gemma3:4b"]
const fallback = "llama3"

/** A name as its server takes it: the family alone stands for what is tagged `latest`, and for nothing else. */
const asked = (name: string, installed: ReadonlyArray<string>): string => {
  const family = name.split(":")[0] ?? name
  return installed.includes(`${family}:latest`) ? family : name
}

/** What is installed and goes by the first preference that anything goes by; else what is installed first. */
export const chosenModel = (installed: ReadonlyArray<string>, preferences: ReadonlyArray<string>): string | undefined => {
  for (const preference of preferences) {
    const name = installed.find((one) => one.startsWith(preference)) ?? installed.find((one) => one.includes(preference))
    if (name !== undefined) return preference.includes(":") ? name : asked(name, installed)
  }
  return installed[0] === undefined ? undefined : asked(installed[0], installed)
}

export interface TeamModels {
  readonly fast: string
  /** The same as `fast` when there is no better one: then nobody needs a second worker. */
  readonly reason: string
}

export const teamModels = (installed: ReadonlyArray<string>, wanted: Partial<TeamModels> = {}): TeamModels => {
  const fast = wanted.fast ?? chosenModel(installed, fastPreferences) ?? fallback
  return { fast, reason: wanted.reason ?? chosenModel(installed, reasonPreferences) ?? fast }
}

/** Names of the installed models; undefined when no server answers. */
export const installedModels = async (server: string = modelServer()): Promise<ReadonlyArray<string> | undefined> => {
  try {
    const response = await fetch(`${server}/api/tags`, { signal: AbortSignal.timeout(detectMillis), redirect: "error" })
    if (!response.ok) return undefined
    const body: unknown = await response.json()
    const models = typeof body === "object" && body !== null && "models" in body && Array.isArray(body.models) ? body.models : []
    return models.flatMap((model: unknown) => (typeof model === "object" && model !== null && "name" in model && typeof model.name === "string" ? [model.name] : []))
  } catch {
    return undefined
  }
}
