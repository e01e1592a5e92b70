// Which names a listener answers to, and pages of which origins may call it: what keeps a rebound name and a foreign page out.

export interface NamesOptions {
  /** Address that is bound. */
  readonly host: string
  readonly port: number
  readonly scheme: "http" | "https"
  /** Names that a proxy or a certificate gives this listener, with or without a port. */
  readonly hosts?: ReadonlyArray<string>
  /** Origins whose pages may call it, such as `https://app.example`. */
  readonly origins?: ReadonlyArray<string>
}

export interface Names {
  readonly isOurs: (host: string | undefined) => boolean
  /** `same`: no page, or one of this very listener. `listed`: answers need the headers of CORS. */
  readonly originOf: (origin: string | undefined, host: string) => "same" | "listed" | "foreign"
}

const bracketed = (host: string): string => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host)

export const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/u.test(host)

export const namesOf = ({ host, port, scheme, hosts = [], origins = [] }: NamesOptions): Names => {
  const ours = new Set<string>()
  for (const name of ["127.0.0.1", "localhost", "[::1]", bracketed(host)]) {
    ours.add(`${name}:${port}`)
    if (port === (scheme === "https" ? 443 : 80)) ours.add(name)
  }
  const given = new Set(hosts.flatMap((name) => [name.toLowerCase(), `${name.toLowerCase()}:${port}`]))
  for (const name of given) ours.add(name)
  const listed = new Set(origins.map((origin) => origin.toLowerCase()))
  return {
    isOurs: (named) => named !== undefined && ours.has(named.toLowerCase()),
    originOf: (origin, named) => {
      if (origin === undefined) return "same"
      const lower = origin.toLowerCase()
      const name = named.toLowerCase()
      // A proxy that ends TLS shows its pages under https, whatever we speak to it.
      if (lower === `${scheme}://${name}` || (given.has(name) && lower === `https://${name}`)) return "same"
      return listed.has(lower) ? "listed" : "foreign"
    }
  }
}
