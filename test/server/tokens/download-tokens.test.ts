import { createHmac, generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import t from 'tap'
import { bundlePath, entryPath, manifestPath } from '../../../shared/paths.ts'
import { type Answer, call, download, stage, upload } from '../../helpers/call.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { startServer } from '../../helpers/start-server.ts'
import { watchStore } from '../../helpers/watched-store.ts'

let storeCallsCount = 0
const server = await startServer(t, {
  wrapStore: store =>
    watchStore(store, {
      before: () => {
        storeCallsCount += 1
      }
    })
})
const staged = await stage(server, [['files', 'a', 'hello']])
const other = await stage(server, [['files', 'a', 'hello']])
const elsewhere = await stage(server, [['files', 'a', 'hello']], { namespace: 'team-b' })
const { bundleId, token } = staged.json
const secret = await readFile(join(server.keysDirectory, 'key-1'))

const nowSeconds = Math.floor(Date.now() / 1000)
const claims = {
  sub: `team-a/${bundleId}`,
  aud: 'spark-stage',
  scope: 'read',
  iat: nowSeconds,
  exp: nowSeconds + 3600
}

/** A token as the server would sign it, but for what is given. */
function sign(changes: Readonly<Record<string, unknown>> = {}, options: jwt.SignOptions = {}): string {
  const changed = Object.fromEntries(
    Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== undefined)
  )
  return jwt.sign(changed, secret, { algorithm: 'HS256', keyid: 'key-1', ...options })
}

/** Three parts by hand, for what the library refuses to sign. */
function forge(header: object, payload: object, signature: (signed: string) => string): string {
  const signed = [header, payload]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${signed}.${signature(signed)}`
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const publicPem = publicKey.export({ type: 'spki', format: 'pem' })
const hmac = (hash: string, key: string | Buffer) => (signed: string) =>
  createHmac(hash, key).update(signed).digest('base64url')
const [header = '', payload = '', signature = ''] = String(token).split('.')

const authorizations: Readonly<Record<string, string | undefined>> = {
  'no token': undefined,
  'an empty token': 'Bearer ',
  'another scheme': `Basic ${token}`,
  'no scheme': token,
  'two tokens': `Bearer ${token} ${token}`,
  'a token that is quoted': `Bearer "${token}"`,
  garbage: 'Bearer garbage',
  'three parts of garbage': 'Bearer a.b.c',
  'a token that is cut': `Bearer ${String(token).slice(0, -1)}`,
  'a token without its signature': `Bearer ${header}.${payload}.`,
  'a token with its last part missing': `Bearer ${header}.${payload}`,
  'a token that is changed': `Bearer ${header}.${Buffer.from(JSON.stringify({ ...claims, exp: 9e9 })).toString('base64url')}.${signature}`,
  'a token of 5 KB': `Bearer ${token}${'x'.repeat(5000)}`,
  'a valid token of 5 KB': `Bearer ${sign({ padding: 'x'.repeat(5000) })}`,
  'the upload credential': 'Bearer upload-credential-of-the-tests-4f1c',
  'alg none': `Bearer ${forge({ alg: 'none', typ: 'JWT', kid: 'key-1' }, claims, () => '')}`,
  'alg None, signed': `Bearer ${forge({ alg: 'None', typ: 'JWT', kid: 'key-1' }, claims, hmac('sha256', secret))}`,
  'no alg': `Bearer ${forge({ typ: 'JWT', kid: 'key-1' }, claims, hmac('sha256', secret))}`,
  'HS384 with the right key': `Bearer ${forge({ alg: 'HS384', kid: 'key-1' }, claims, hmac('sha384', secret))}`,
  'RS256 with a key of one’s own': `Bearer ${jwt.sign(claims, privateKey, { algorithm: 'RS256', keyid: 'key-1' })}`,
  'HS256 with a public key': `Bearer ${forge({ alg: 'HS256', kid: 'key-1' }, claims, hmac('sha256', String(publicPem)))}`,
  'HS256 with an empty key': `Bearer ${forge({ alg: 'HS256', kid: 'key-1' }, claims, hmac('sha256', ''))}`,
  'no key id': `Bearer ${forge({ alg: 'HS256' }, claims, hmac('sha256', secret))}`,
  'a key id that is no text': `Bearer ${forge({ alg: 'HS256', kid: 1 }, claims, hmac('sha256', secret))}`,
  'another bundle': `Bearer ${other.json.token}`,
  'another namespace': `Bearer ${elsewhere.json.token}`,
  'this bundle in another namespace': `Bearer ${sign({ sub: `team-b/${bundleId}` })}`,
  'the bundle without its namespace': `Bearer ${sign({ sub: bundleId })}`,
  'no subject': `Bearer ${sign({ sub: undefined })}`,
  'another audience': `Bearer ${sign({ aud: 'other-stage' })}`,
  'no audience': `Bearer ${sign({ aud: undefined })}`,
  'another scope': `Bearer ${sign({ scope: 'write' })}`,
  'no scope': `Bearer ${sign({ scope: undefined })}`,
  'a token that has expired': `Bearer ${sign({ exp: nowSeconds - 1 })}`,
  'a token that expires right now': `Bearer ${sign({ exp: nowSeconds })}`,
  'a token that never expires': `Bearer ${sign({ exp: undefined })}`,
  'an end that is no number': `Bearer ${forge({ alg: 'HS256', kid: 'key-1' }, { ...claims, exp: 'never' }, hmac('sha256', secret))}`,
  'a token for later': `Bearer ${sign({ nbf: nowSeconds + 3600 })}`,
  'claims that are a text': `Bearer ${jwt.sign('text', secret, { keyid: 'key-1' })}`
}

const places = {
  'the manifest': ['GET', manifestPath('team-a', bundleId)],
  'an entry': ['GET', entryPath('team-a', bundleId, 'files/a')],
  'the head of an entry': ['HEAD', entryPath('team-a', bundleId, 'files/a')]
} as const

function withoutRequestId(answer: Answer): object {
  const { requestId, ...rest } = answer.error
  const headers = [...answer.headers].filter(([name]) => !['date', 'content-length'].includes(name))
  return { status: answer.status, body: rest, headers }
}

const model = await call(server, 'GET', manifestPath('team-a', bundleId))

t.test('without a valid token there is one answer', async t => {
  isRefusal(t, model, { status: 401, code: 'STAGE_ERR_TOKEN' })
  t.equal(model.headers.get('www-authenticate'), 'Bearer')
})

for (const [claim, authorization] of Object.entries(authorizations)) {
  t.test(`${claim} is answered like any other refusal, and the store is not asked`, async t => {
    const before = storeCallsCount
    for (const [method, path] of Object.values(places)) {
      const answer = await call(server, method, path, {
        headers: authorization === undefined ? {} : { authorization }
      })

      if (method === 'GET') t.strictSame(withoutRequestId(answer), withoutRequestId(model))
      else t.equal(answer.status, 401)
    }
    t.equal(storeCallsCount, before)
  })
}

t.test('ids and namespaces that are none are refused alike, and the store is not asked', async t => {
  const before = storeCallsCount
  for (const path of [
    manifestPath('team-a', '0'.repeat(32)),
    manifestPath('../../etc', bundleId),
    manifestPath('team-a', '../../passwd'),
    manifestPath('Default', 'x')
  ]) {
    const answer = await call(server, 'GET', path, { headers: { authorization: `Bearer ${token}` } })

    t.strictSame(withoutRequestId(answer), withoutRequestId(model), path)
  }
  t.equal(storeCallsCount, before)
})

t.test('a token opens its bundle, whatever the case of the scheme', async t => {
  for (const authorization of [`Bearer ${token}`, `bearer  ${token}`, `Bearer ${sign()}`]) {
    const answer = await call(server, 'GET', manifestPath('team-a', bundleId), { headers: { authorization } })

    t.equal(answer.status, 200)
  }
})

t.test('a token carries what it is documented to carry', t => {
  const { header: head, payload: body } = jwt.decode(token, { complete: true }) ?? {}

  t.strictSame(head, { alg: 'HS256', typ: 'JWT', kid: 'key-1' })
  t.match(body, { sub: `team-a/${bundleId}`, aud: 'spark-stage', scope: 'read' })
  const { iat, exp } = jwt.decode(token) as jwt.JwtPayload
  t.ok(Math.abs(Number(exp) - Number(iat) - 365 * 86_400) <= 1)
  t.end()
})

t.test('a token of a revoked bundle is told why and when, and nothing more', async t => {
  const { json } = await stage(server, [['files', 'a', 'secret']])
  const beforeMs = Date.now()
  await upload(server, 'DELETE', bundlePath('team-a', json.bundleId))

  for (const below of ['', '/entries/files/a']) {
    const answer = await download(server, json.bundleId, json.token, below)

    isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
    t.equal(answer.error.reason, 'revoked')
    const endedAtMs = Date.parse(answer.error.endedAt ?? '')
    t.ok(endedAtMs >= beforeMs && endedAtMs <= Date.now())
  }
})
