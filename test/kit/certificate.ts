// A certificate for tests of TLS. It is nobody's: it names this machine and a host that does not exist, and its key is here for all to see.

export const cert = `-----BEGIN CERTIFICATE-----
MIIBqzCCAVGgAwIBAgIUP8rFS51YHcwZkQAcvUR8h9DnTjAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMDEzNDIyOVoYDzIxMjYxMDI3
MTM0MjI5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARsvbCYK0kzfyOu5VVVRaFrxHFwnBS0U7rJEiQMlcAyUcDPRCHpzap6
idLSnhPU4U1zjePu+UfT8BvTmzm7hSqdo38wfTAdBgNVHQ4EFgQUtyC9jOdvf5bP
jxJ2tiFPyfXc0REwHwYDVR0jBBgwFoAUtyC9jOdvf5bPjxJ2tiFPyfXc0REwDwYD
VR0TAQH/BAUwAwEB/zAqBgNVHREEIzAhgglsb2NhbGhvc3SCDmtlcm5lbC5leGFt
cGxlhwR/AAABMAoGCCqGSM49BAMCA0gAMEUCICFkxMbjMZW1N0hSw/bFUyHjOjyX
P1F+dx6W7sLg+VTHAiEA7HaBmDmOgshVsoZLWfKztm37gjakSz32ns6YSNYYRGk=
-----END CERTIFICATE-----
`

export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgu5m3nQjNVrqlyiOP
zdPqXHtmqgLdpsr4Hygbo44K1BehRANCAARsvbCYK0kzfyOu5VVVRaFrxHFwnBS0
U7rJEiQMlcAyUcDPRCHpzap6idLSnhPU4U1zjePu+UfT8BvTmzm7hSqd
-----END PRIVATE KEY-----
`
