// A server for tests of what asks over HTTP: it keeps what it was asked and answers as it is told.
import { once } from "node:events"
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http"
import { createServer as createTls } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import { cert, key } from "./certificate.ts"

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

export interface Web {
  readonly port: number
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly asked: Array<Asked>
  readonly connections: Set<Socket>
  readonly close: () => Promise<void>
}

type Answering = (request: Asked, response: Parameters<RequestListener>[1]) => void

export const web = async (answer: Answering, options: { readonly tls?: boolean } = {}): Promise<Web> => {
  const asked: Array<Asked> = []
  const connections = new Set<Socket>()
  const listener: RequestListener = (request, response) => {
    const pieces: Array<Buffer> = []
    request.on("data", (piece: Buffer) => pieces.push(piece))
    request.on("end", () => {
      const one = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body: Buffer.concat(pieces).toString() }
      asked.push(one)
      answer(one, response)
    })
  }
  const server: Server = options.tls === true ? createTls({ cert, key }, listener) as unknown as Server : createServer(listener)
  server.on("connection", (socket: Socket) => {
    connections.add(socket)
    socket.on("error", () => {}).on("close", () => connections.delete(socket))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    port, host: `127.0.0.1:${port}`, asked, connections,
    close: async () => {
      for (const socket of connections) socket.destroy()
      server.close()
      await once(server, "close")
    }
  }
}
