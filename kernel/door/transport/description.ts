// OpenAPI 3.1 of the transport of single channels.
import { version } from "../../version.ts"

const detail = { type: "object", required: ["detail"], properties: { detail: { type: "string" } } }

const refused = (description: string) => ({ description, content: { "application/json": { schema: detail } } })

const ok = (schema: object) => ({ description: "Done.", content: { "application/json": { schema } } })

const errors = {
  "401": refused("No credential, or none that is good here."),
  "403": refused("The credential does not allow it."),
  "404": refused("There is no PUBLIC channel of this name.")
}

const nullable = { type: ["string", "null"] }

const message = {
  type: "object",
  required: ["content"],
  properties: {
    id: { type: "string" },
    timestamp: { type: "number", description: "Unix seconds." },
    sender_id: { type: "string", description: "Stamped; another one than the caller's is refused." },
    content: { type: "object", additionalProperties: true },
    metadata: { type: "object", additionalProperties: true },
    correlation_id: nullable,
    reply_to: nullable,
    recipient_id: nullable
  }
}

const id = { name: "id", in: "path", required: true, description: "Name of a PUBLIC channel.", schema: { type: "string" } }
const flag = (name: string, description: string) => ({ name, in: "query", description, schema: { type: "boolean", default: false } })

const settled = (says: string, count: string) => ({
  post: {
    summary: says,
    parameters: [id],
    requestBody: {
      required: true,
      content: { "application/json": { schema: { type: "object", properties: { message_ids: { type: "array", items: { type: "string" } } } } } }
    },
    responses: {
      "200": ok({ type: "object", properties: { status: { const: "ok" }, [count]: { type: "integer", description: "Those that the caller held." } } }),
      "400": refused("Not such a body."),
      ...errors,
      "409": refused("Nothing can be taken from this channel.")
    }
  }
})

export const description = {
  openapi: "3.1.0",
  info: { title: "AAAX channels", version, description: "One PUBLIC channel at a time, as the clients of SSSN v1 speak to it." },
  security: [{ bearer: [] }, { basic: [] }],
  paths: {
    "/channels/{id}": {
      get: {
        summary: "Read the next messages, or claim them.",
        parameters: [
          id,
          { name: "limit", in: "query", schema: { type: "integer", minimum: 1, default: 10 } },
          flag("exclusive", "Claim them for the caller alone; needs the role write."),
          { name: "after", in: "query", description: "Id of a message: those behind it. Default: the caller's own cursor.", schema: { type: "string" } }
        ],
        responses: {
          "200": ok({ type: "object", properties: { messages: { type: "array", items: message } } }),
          "400": refused("`after` names no message."),
          ...errors,
          "409": refused("The channel is read the other way."),
          "422": refused("Not such a query.")
        }
      },
      put: {
        summary: "Write any JSON, or with `direct` a whole message.",
        parameters: [id, flag("direct", "The body is a message, with its own id.")],
        requestBody: { required: true, content: { "application/json": { schema: {} } } },
        responses: {
          "200": ok({ type: "object", properties: { status: { const: "accepted" }, item_id: { type: "string" } } }),
          "400": refused("Not JSON, or not a message."),
          ...errors,
          "409": refused("Another message has this id."),
          "413": refused("Too large."),
          "429": refused("Too much at once."),
          "503": refused("The store takes no writes now.")
        }
      }
    },
    "/channels/{id}/acknowledge": settled("Say that claimed messages are done.", "acknowledged"),
    "/channels/{id}/nack": settled("Give claimed messages back.", "nacked"),
    "/channels/{id}/info": {
      get: {
        summary: "What the channel tells of itself.",
        parameters: [id],
        responses: {
          "200": ok({
            type: "object",
            properties: {
              id: { type: "string" }, name: { type: "string" }, description: { type: "string" }, visibility: { enum: ["private", "public"] },
              period: { type: "number" }
            }
          }),
          ...errors
        }
      }
    }
  },
  components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" }, basic: { type: "http", scheme: "basic" } } }
} as const
