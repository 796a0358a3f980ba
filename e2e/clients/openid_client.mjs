// Gets and uses tokens with npm openid-client. Arguments: server address, client id, secret, redirect address,
// session cookie. Prints what it saw as JSON.
import * as client from 'openid-client'

const [url, clientId, secret, redirectUri, cookie] = process.argv.slice(2)
// The server of the test speaks plain HTTP on this machine.
const config = await client.discovery(new URL(url), clientId, secret, undefined, {
  execute: [client.allowInsecureRequests],
})

const people = async (token) => {
  const response = await client.fetchProtectedResource(config, token, new URL('/api/v1/people', url), 'GET')
  return response.status
}

const alone = await client.clientCredentialsGrant(config, { scope: 'profiles:read' })
const seen = { aloneScope: alone.scope, alone: await people(alone.access_token) }

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const asked = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope: 'profiles:read',
  state,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})

// The user's browser: it shows the consent page, and the user presses the button.
const page = await (await fetch(asked, { headers: { cookie } })).text()
const form = new URLSearchParams({ decision: 'allow' })
for (const [, name, value] of page.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
  form.set(name, value.replaceAll('&amp;', '&').replaceAll('&#39;', "'"))
}
const answered = await fetch(new URL('/oauth/authorize', url), {
  method: 'POST',
  headers: { cookie },
  body: form,
  redirect: 'manual',
})

const tokens = await client.authorizationCodeGrant(config, new URL(answered.headers.get('location')), {
  pkceCodeVerifier: verifier,
  expectedState: state,
})
seen.user = await people(tokens.access_token)
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
seen.renewed = await people(renewed.access_token)
seen.active = (await client.tokenIntrospection(config, renewed.access_token)).active
await client.tokenRevocation(config, renewed.refresh_token)
seen.activeAfterRevocation = (await client.tokenIntrospection(config, renewed.access_token)).active
// fetchProtectedResource throws on a challenge.
seen.revoked = (await fetch(new URL('/api/v1/people', url), { headers: { authorization: `Bearer ${renewed.access_token}` } })).status
console.log(JSON.stringify(seen))
