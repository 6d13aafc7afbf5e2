// Tokens by openid-client, as its documentation has it.
import { importPKCS8 } from 'jose'
import * as client from 'openid-client'
import { attempt, input } from './harness.mjs'

await attempt(async ({ clientId, method, secret, alg, key, kid }) => {
  const auth = {
    client_secret_basic: () => client.ClientSecretBasic(secret),
    client_secret_post: () => client.ClientSecretPost(secret),
    private_key_jwt: async () => client.PrivateKeyJwt({ key: await importPKCS8(key, alg), kid }),
  }
  const config = await client.discovery(new URL(input.issuer), clientId, undefined, await auth[method](), {
    execute: [client.allowInsecureRequests],
  })
  return () => client.clientCredentialsGrant(config, { resource: input.audience, scope: input.scope })
})
