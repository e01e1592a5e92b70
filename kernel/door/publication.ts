// Where a kernel is published, from its config: checked, so that nothing is reached from elsewhere that was not meant to be.
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { ConfigInvalid, type ConfigIssue } from "../../protocol/errors.ts"
import { ACLSecurity, OpenSecurity, type ChannelSecurity } from "../../protocol/security.ts"
import type { NetworkConfig, SecurityConfig } from "../config.ts"
import { JWTChannelSecurity, type JWKSource } from "../guard/jwt-security.ts"
import { jwksFile } from "../power/jwks-file.ts"
import type { Endpoint } from "./endpoint.ts"
import { isLoopback } from "./names.ts"

/** The port that is taken when none is named, or the next free one. */
export const publishedPort = 8100

export interface Publication {
  readonly host: string
  readonly port: number
  /** The port was not asked for: the next free one does as well. */
  readonly orNext: boolean
  readonly hosts: ReadonlyArray<string>
  readonly origins: ReadonlyArray<string>
  readonly tls?: { readonly cert: string; readonly key: string }
  readonly security?: ChannelSecurity
  readonly endpoints: ReadonlyArray<Endpoint>
  /** Whether this machine alone can reach it. */
  readonly isLocal: boolean
}

const isSecurity = (given: SecurityConfig): given is ChannelSecurity => typeof given === "object" && "allows" in given

/** The address of a set of keys, or a file below `directory` that is read again when it changes. */
const jwksOf = (given: string, directory: string): JWKSource => (/^https?:\/\//u.test(given) ? given : jwksFile(resolve(directory, given)))

const securityOf = (given: SecurityConfig, directory: string): ChannelSecurity => {
  if (isSecurity(given)) return given
  if (given === "open") return new OpenSecurity()
  if ("acl" in given) return new ACLSecurity(given.acl)
  const { jwks, secretEnv, ...options } = given.jwt
  const secret = secretEnv === undefined ? undefined : process.env[secretEnv]
  if (secretEnv !== undefined && secret === undefined) {
    throw new ConfigInvalid({ issues: [{ file: "network", path: "security.jwt.secretEnv", reason: `the environment has no ${secretEnv}.` }] })
  }
  return new JWTChannelSecurity({ ...options, ...(jwks === undefined ? {} : { jwks: jwksOf(jwks, directory) }), ...(secret === undefined ? {} : { secret }) })
}

/** What is wrong with opening an address to other machines. */
const exposureOf = ({ behindProxy, host, hosts, tls }: NetworkConfig): ReadonlyArray<ConfigIssue> => {
  const issue = (path: string, reason: string): ConfigIssue => ({ file: "network", path, reason })
  if (isLoopback(host)) return []
  if (tls === undefined && !behindProxy) {
    return [issue("host", `${host} can be reached from other machines, and tokens would go there in the clear: give network.tls { cert, key }, or say network.behindProxy = true when a proxy ends TLS in front of it; 127.0.0.1 needs neither.`)]
  }
  return hosts.length === 0 && (host === "0.0.0.0" || host === "::")
    ? [issue("hosts", "is empty: name the hosts by which clients call it; requests under any other name are refused.")]
    : []
}

/** Reads what it names below `directory`. */
export const publicationOf = (network: NetworkConfig, directory: string): Effect.Effect<Publication, ConfigInvalid> =>
  Effect.suspend(() => {
    const { behindProxy, endpoints, host, hosts, origins, port, security, tls } = network
    const issues = exposureOf(network)
    if (issues.length > 0) return Effect.fail(new ConfigInvalid({ issues }))
    try {
      const read = (key: "cert" | "key", file: string): string => {
        try {
          return readFileSync(resolve(directory, file), "utf8")
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error)
          throw new ConfigInvalid({ issues: [{ file: "network", path: `tls.${key}`, reason: `${file} cannot be read (${why}).` }] })
        }
      }
      return Effect.succeed({
        endpoints, host, hosts, origins,
        port: port ?? publishedPort,
        orNext: port === undefined,
        isLocal: isLoopback(host) && !behindProxy,
        ...(tls === undefined ? {} : { tls: { cert: read("cert", tls.cert), key: read("key", tls.key) } }),
        ...(security === undefined ? {} : { security: securityOf(security, directory) })
      })
    } catch (error) {
      return error instanceof ConfigInvalid ? Effect.fail(error) : Effect.die(error)
    }
  })
