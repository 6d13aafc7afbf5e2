// Tokens by assertions that jose signs, with keys that it makes and publishes, in
// the two forms of assertion that there are: the one of RFC 7523 as callers have
// been signing it for years, and the one of its newest draft.
import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { attempt, input } from './harness.mjs'

const keys = {}
const published = []
for (const alg of new Set(input.cases.map((c) => c.alg))) {
  const { privateKey, publicKey } = await generateKeyPair(alg)
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  keys[alg] = { privateKey, kid }
  published.push({ ...jwk, kid, alg, use: 'sig' })
}
await fetch(input.publish, { method: 'PUT', body: JSON.stringify({ keys: published }) })

const old = (jwt, alg) =>
  jwt.setProtectedHeader({ alg, typ: 'JWT' }).setAudience(input.audience).setExpirationTime('10 minutes')

const draft = (jwt, alg, kid) =>
  jwt
    .setProtectedHeader({ alg, typ: 'client-authentication+jwt', kid })
    .setAudience(input.issuer)
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime('1 minute')

await attempt(async ({ clientId, form, alg, stranger }) => {
  const { privateKey, kid } = stranger ? { ...(await generateKeyPair(alg)), kid: keys[alg].kid } : keys[alg]
  return async () => {
    const jwt = new SignJWT().setIssuer(clientId).setSubject(clientId)
    const assertion = await (form === 'draft' ? draft : old)(jwt, alg, kid).sign(privateKey)
    const response = await fetch(input.tokenEndpoint, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        audience: input.audience,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    })
    if (!response.ok) throw Object.assign(new Error('refused'), { response })
    return response.json()
  }
})
