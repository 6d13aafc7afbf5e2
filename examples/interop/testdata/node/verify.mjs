// Access tokens verified by jose and by oauth4webapi, as services do.
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import { describe, input } from './harness.mjs'

const http = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(input.issuer)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http))
const keys = createRemoteJWKSet(new URL(as.jwks_uri))

const verifiers = {
  jose: async (token, audience) =>
    (await jwtVerify(token, keys, { issuer: input.issuer, audience, typ: 'at+jwt', algorithms: ['ES256'] })).payload,
  oauth4webapi: (token, audience) =>
    oauth.validateJwtAccessToken(
      as,
      new Request(audience, { headers: { authorization: `Bearer ${token}` } }),
      audience,
      http,
    ),
}

const results = []
for (const [by, verify] of Object.entries(verifiers)) {
  for (const { name, token, audience } of input.cases) {
    const result = { by, name }
    try {
      result.claims = await verify(token, audience)
    } catch (err) {
      result.error = await describe(err)
    }
    results.push(result)
  }
}
console.log(JSON.stringify(results))
