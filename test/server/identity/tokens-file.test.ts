import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { TokensFile } from '../../../server/identity/tokens-file.ts'
import { bundlesPath } from '../../../shared/paths.ts'
import { call, download, stage, upload } from '../../helpers/call.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import { credential, sha256, startServer, type TestServer } from '../../helpers/start-server.ts'

const row = { sha256: sha256('the credential'), principal: 'ci', namespaces: ['team-a'] }

/** Opens a tokens file with this text. */
function open(t: Test, text: string): Promise<TokensFile> {
  return TokensFile.open(join(t.testdir({ 'tokens.json': text }), 'tokens.json'))
}

const badFiles: readonly (readonly [claim: string, text: string, found: RegExp])[] = [
  ['no JSON', 'the credential', /: expected JSON$/],
  ['an empty file', '', /: expected JSON$/],
  ['null', 'null', /: expected \{"tokens": \[…\]\}$/],
  ['a bare list', '[]', /: expected \{"tokens": \[…\]\}$/],
  ['no list', '{"tokens": {}}', /: expected \{"tokens": \[…\]\}$/],
  ['a row that is null', '{"tokens": [null]}', /: token 0: expected "sha256" as 64 lowercase hex digits$/],
  [
    'a row without a digest',
    JSON.stringify({ tokens: [row, { ...row, sha256: undefined }] }),
    /: token 1: expected "sha256"/
  ],
  [
    'the credential for its digest',
    JSON.stringify({ tokens: [{ ...row, sha256: 'the credential' }] }),
    /: token 0: expected "sha256" as 64 lowercase hex digits$/
  ],
  [
    'a digest in capitals',
    JSON.stringify({ tokens: [{ ...row, sha256: row.sha256.toUpperCase() }] }),
    /: token 0: expected "sha256"/
  ],
  [
    'no principal',
    JSON.stringify({ tokens: [{ ...row, principal: '' }] }),
    /: token 0: expected "principal" as 1 to 255 visible ASCII characters$/
  ],
  [
    'a principal of two lines',
    JSON.stringify({ tokens: [{ ...row, principal: 'a\nb' }] }),
    /: token 0: expected "principal"/
  ],
  [
    'a principal that is no text',
    JSON.stringify({ tokens: [{ ...row, principal: 1 }] }),
    /: token 0: expected "principal"/
  ],
  [
    'no namespaces',
    JSON.stringify({ tokens: [{ ...row, namespaces: [] }] }),
    /: token 0: expected "namespaces" as a list of at least one$/
  ],
  [
    'one namespace that is no list',
    JSON.stringify({ tokens: [{ ...row, namespaces: 'team-a' }] }),
    /: token 0: expected "namespaces"/
  ],
  [
    'a namespace that is none',
    JSON.stringify({ tokens: [{ ...row, namespaces: ['Team A'] }] }),
    /: The namespace is not a DNS label: "Team A"$/
  ],
  [
    'a namespace with a star in it',
    JSON.stringify({ tokens: [{ ...row, namespaces: ['team-*'] }] }),
    /: The namespace is not a DNS label: "team-\*"$/
  ]
]

for (const [claim, text, found] of badFiles) {
  t.test(`a server does not start with ${claim} in its tokens file`, async t => {
    const opening = open(t, text)

    await t.rejects(opening, { message: found })
    await t.rejects(opening, { message: /^upload tokens file \/.*tokens\.json: / })
    // JSON.parse would quote what it found, and that may be a secret.
    await opening.catch(error => t.notMatch(`${error.message} ${error.cause.stack}`, 'the credential'))
  })
}

t.test('a server does not start without its tokens file', async t => {
  await t.rejects(TokensFile.open(join(t.testdir(), 'absent')), { code: 'ENOENT' })
})

t.test('a credential is known by its digest, and good for its namespaces', async t => {
  const file = await open(
    t,
    JSON.stringify({ tokens: [row, { ...row, sha256: sha256('other'), namespaces: ['team-b'] }] })
  )

  const principal = await file.identify('the credential')

  t.equal(principal.name, 'ci')
  t.equal(await principal.missingRight('team-a'), undefined)
  t.match(await principal.missingRight('team-b'), { found: 'team-b' })
  t.match(await principal.missingRight('*'), { found: '*' })
})

t.test('a star stands for every namespace', async t => {
  const file = await open(t, JSON.stringify({ tokens: [{ ...row, namespaces: ['*'] }] }))

  t.equal(await (await file.identify('the credential')).missingRight('anything'), undefined)
})

t.test('an empty credential is none, even if its digest is listed', async t => {
  const file = await open(t, JSON.stringify({ tokens: [{ ...row, sha256: sha256('') }] }))

  await t.rejects(file.identify(undefined), { code: 'STAGE_ERR_CREDENTIAL' })
})

/** Puts another tokens file in the place of a server's, as a Secret is swapped. */
async function swapTokens(server: TestServer, text: string): Promise<void> {
  const home = dirname(server.folder)
  await writeFile(join(home, 'new-tokens.json'), text)
  await rename(join(home, 'new-tokens.json'), join(home, 'tokens.json'))
}

t.test('a changed file counts at once: new credentials are let in, old ones are not', async t => {
  const server = await startServer(t)
  t.equal((await upload(server, 'GET', bundlesPath('team-a'))).status, 200)

  await swapTokens(server, JSON.stringify({ tokens: [row] }))

  isRefusal(t, await upload(server, 'GET', bundlesPath('team-a')), {
    status: 401,
    code: 'STAGE_ERR_CREDENTIAL'
  })
  const headers = { authorization: 'Bearer the credential'.replace(' the ', ' the-') }
  isRefusal(t, await call(server, 'GET', bundlesPath('team-a'), { headers }), {
    status: 401,
    code: 'STAGE_ERR_CREDENTIAL'
  })
  await swapTokens(server, JSON.stringify({ tokens: [{ ...row, sha256: sha256('the-credential') }] }))
  t.equal((await call(server, 'GET', bundlesPath('team-a'), { headers })).status, 200)
})

for (const [claim, damage] of [
  ['wrong', (server: TestServer) => swapTokens(server, `{"tokens": [ ${credential}`)],
  ['missing', (server: TestServer) => rm(join(dirname(server.folder), 'tokens.json'))]
] as const) {
  t.test(`while the file is ${claim}, uploads wait and downloads go on`, async t => {
    const server = await startServer(t)
    const { json } = await stage(server, [['files', 'a', '1']])
    await damage(server)

    await leavesNothing(t, server, async () => {
      for (const _ of [1, 2]) {
        const answer = await stage(server, [['files', 'a', '2']])

        isRefusal(t, answer, { status: 503, code: 'STAGE_ERR_IDENTITY' })
        t.equal(answer.headers.get('retry-after'), '10')
        t.notMatch(answer.bytes.toString(), /tokens\.json/)
      }
      t.equal((await download(server, json.bundleId, json.token, '/entries/files/a')).bytes.toString(), '1')
    })

    t.match(server.logLines.join(''), /upload tokens file|ENOENT/)
    await swapTokens(server, JSON.stringify({ tokens: [{ ...row, sha256: sha256(credential) }] }))
    t.equal((await upload(server, 'GET', bundlesPath('team-a'))).status, 200)
  })
}
