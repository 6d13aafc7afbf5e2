// Tokens by oauth4webapi, as its documentation has it.
import { importPKCS8 } from 'jose'
import * as oauth from 'oauth4webapi'
import { attempt, input } from './harness.mjs'

const http = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(input.issuer)
const as = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...http }),
)

await attempt(async ({ clientId, method, secret, alg, key, kid }) => {
  const client = { client_id: clientId }
  const auth = {
    client_secret_basic: () => oauth.ClientSecretBasic(secret),
    client_secret_post: () => oauth.ClientSecretPost(secret),
    private_key_jwt: async () => oauth.PrivateKeyJwt({ key: await importPKCS8(key, alg), kid }),
  }
  const authentication = await auth[method]()
  return async () => {
    const parameters = { audience: input.audience, scope: input.scope }
    const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, parameters, http)
    return oauth.processClientCredentialsResponse(as, client, response)
  }
})
