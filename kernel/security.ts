// `aaax/security`: securities for channels and for the network. The open one and access lists are in `aaax` as well.
export {
  ACLSecurity, OpenSecurity, type AccessLists, type ChannelSecurity, type Principal, type Role
} from "../protocol/security.ts"
export {
  JWTChannelSecurity, type GenerateOptions, type JWKSource, type JWTAlgorithm, type JWTSecurityOptions
} from "./guard/jwt-security.ts"
export { jwksFile } from "./power/jwks-file.ts"
