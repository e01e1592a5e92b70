// A stand-in for a provider of the OpenAI chat API: answers what a test tells it to, and keeps what it was asked.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Asked {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Readonly<Record<string, unknown>>
}

export interface Provider {
  readonly baseUrl: string
  readonly asked: ReadonlyArray<Asked>
  /** How the next questions are answered. */
  answer: (response: ServerResponse, asked: Asked) => void
  readonly close: () => Promise<void>
}

/** Chunks as a provider streams them; each is written by itself. */
export const streamed = (...chunks: ReadonlyArray<unknown>) => (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (const chunk of chunks) response.write(typeof chunk === "string" ? chunk : `data: ${JSON.stringify(chunk)}\n\n`)
  response.end()
}

export const said = (content: string) => ({ model: "m-1", choices: [{ index: 0, delta: { content } }] })
export const finished = (reason: string) => ({ choices: [{ index: 0, delta: {}, finish_reason: reason }] })
export const used = (input: number, output: number) => ({ choices: [], usage: { prompt_tokens: input, completion_tokens: output } })
export const done = "data: [DONE]\n\n"

export const makeProvider = async (): Promise<Provider> => {
  const asked: Array<Asked> = []
  const provider = { answer: streamed(said("hello"), finished("stop"), used(7, 2), done) as Provider["answer"] }
  const server = createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
      const one: Asked = { path: request.url ?? "", headers: request.headers, body: JSON.parse(Buffer.concat(parts).toString()) as Asked["body"] } // what the backend sends
      asked.push(one)
      provider.answer(response, one)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()))
  return Object.assign(provider, {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  })
}
