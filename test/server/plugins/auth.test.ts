import t from 'tap'
import { blobPath, bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { call, stage, upload } from '../../helpers/call.ts'
import { filePart, openSocket, readAnswer } from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import { credential, otherCredential, sha256, startServer } from '../../helpers/start-server.ts'

const server = await startServer(t)
const { bundleId, token } = (await stage(server, [['files', 'a', '1']])).json

/** Every route of an uploader. */
const routes = (namespace: string) =>
  [
    ['POST', bundlesPath(namespace)],
    ['GET', bundlesPath(namespace)],
    ['PUT', blobPath(namespace, bundleId, sha256('1'))],
    ['POST', `${bundlePath(namespace, bundleId)}/commit`],
    ['POST', `${bundlePath(namespace, bundleId)}/token`],
    ['POST', `${bundlePath(namespace, bundleId)}/renew`],
    ['DELETE', bundlePath(namespace, bundleId)]
  ] as const

const strangers: Readonly<Record<string, string | undefined>> = {
  'no credential': undefined,
  'an empty credential': 'Bearer ',
  'an unknown credential': 'Bearer who-am-i',
  'another scheme': `Basic ${credential}`,
  'a credential that is cut': `Bearer ${credential.slice(0, -1)}`,
  'the digest of a credential': `Bearer ${sha256(credential)}`,
  'a download token': `Bearer ${token}`,
  'a very long credential': `Bearer ${'x'.repeat(10_000)}`
}

for (const [claim, authorization] of Object.entries(strangers)) {
  t.test(`${claim} lets nobody do anything`, async t => {
    await leavesNothing(t, server, async () => {
      for (const [method, path] of routes('team-a')) {
        const answer = await call(server, method, path, {
          headers: authorization === undefined ? {} : { authorization }
        })

        isRefusal(t, answer, { status: 401, code: 'STAGE_ERR_CREDENTIAL' })
        t.equal(answer.headers.get('www-authenticate'), 'Bearer')
      }
    })
  })
}

t.test('a credential is good for its own namespaces only', async t => {
  await leavesNothing(t, server, async () => {
    for (const [method, path] of routes('team-a')) {
      const answer = await call(server, method, path, {
        headers: { authorization: `Bearer ${otherCredential}` }
      })

      isRefusal(t, answer, {
        status: 403,
        code: 'STAGE_ERR_FORBIDDEN',
        expected: 'a namespace of the credential',
        found: 'team-a'
      })
    }
  })
})

t.test('bundles of one namespace are not to be found in another of the same credential', async t => {
  await leavesNothing(t, server, async () => {
    for (const [method, path] of routes('team-b').slice(2)) {
      isRefusal(t, await upload(server, method, path), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
    }
  })
})

const badNamespaces = [
  '../../etc',
  '..',
  'Default',
  'a'.repeat(64),
  '-a',
  'a-',
  'a.b',
  'a_b',
  'a b',
  'ä',
  'a\0',
  'a/b'
]

for (const namespace of badNamespaces) {
  t.test(`${JSON.stringify(namespace)} is no namespace`, async t => {
    await leavesNothing(t, server, async () => {
      // All routes share one guard: one bad name shows that, and the others what it refuses.
      for (const [method, path] of routes(namespace).slice(0, namespace === '../../etc' ? 7 : 1)) {
        // A client of ours would make "/../" of an unescaped "..": here it goes as it stands.
        const socket = openSocket(server)
        socket.write(
          `${method} ${path.replace('/../', '/%2E%2E/')} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n`
        )
        socket.write(`Authorization: Bearer ${credential}\r\n\r\n`)

        isRefusal(t, await readAnswer(socket), {
          status: 400,
          code: 'STAGE_ERR_BAD_NAMESPACE',
          expected: '1 to 63 characters of a-z, 0-9 and "-", beginning and ending with a letter or digit',
          found: JSON.stringify(namespace)
        })
      }
    })
  })
}

t.test('an empty namespace is none', async t => {
  isRefusal(t, await upload(server, 'GET', '/api/v1/namespaces//bundles'), {
    status: 400,
    code: 'STAGE_ERR_BAD_NAMESPACE',
    found: '""'
  })
})

for (const [path, found] of [
  ['/api/v1/namespaces/%zz/bundles', /is not a valid url component$/],
  [`/api/v1/namespaces/${'a'.repeat(5000)}/bundles`, /^'\/api\/v1\/namespaces\/a+…$/]
] as const) {
  t.test(`the path ${path.slice(0, 40)} cannot be read`, async t => {
    isRefusal(t, await upload(server, 'GET', path), {
      status: 400,
      code: 'STAGE_ERR_BAD_REQUEST',
      expected: 'a request as documented',
      found
    })
  })
}

t.test('a namespace of 63 characters, and one of a single one, are fine', async t => {
  const open = await startServer(t, { env: { SPARK_STAGE_UPLOAD_AUTH: 'none' } })

  for (const namespace of ['a'.repeat(63), 'a', '0', 'a-1']) {
    t.equal((await stage(open, [['files', 'a', '1']], { namespace })).status, 201)
  }
})

t.test(
  'an upload without a credential is refused before its bytes have come, and the connection closed',
  async t => {
    await leavesNothing(t, server, async () => {
      const socket = openSocket(server)
      socket.write(`POST ${bundlesPath('team-a')} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n`)
      socket.write(`Content-Type: multipart/form-data; boundary=B\r\n\r\n${filePart('files', 'a')}`)

      const answer = await readAnswer(socket)

      isRefusal(t, answer, { status: 401, code: 'STAGE_ERR_CREDENTIAL' })
      t.match(answer.head, /\r\nconnection: close/)
    })
  }
)

t.test('what does not exist is refused without asking who asks', async t => {
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/api/v1/nothing'],
    ['PATCH', bundlesPath('team-a')],
    ['PROPFIND', bundlesPath('team-a')],
    ['OPTIONS', bundlesPath('team-a')]
  ] as const) {
    const answer = await call(server, method, path)

    isRefusal(t, answer, { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
    t.match(answer.error.message, `${method} ${path}`)
  }
})

t.test('a query of an unknown path is not shown: a secret may stand there', async t => {
  server.keepSecret('s3cr3t-in-a-query')

  const answer = await call(server, 'GET', '/nothing?token=s3cr3t-in-a-query')

  isRefusal(t, answer, { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
  t.notMatch(answer.bytes.toString(), 's3cr3t-in-a-query')
})
