import { readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { FetchError } from '../../init-container/fetch-error.ts'
import { MiB } from '../../shared/units.ts'
import { bundleId, fakeFile, fakeServer, namespace, token } from './fake-server.ts'
import { fetching } from './fetching.ts'
import { loopbackCertificate } from './loopback-certificate.ts'

const app = fakeFile('app/job.py', 'print("hello")\n')

t.test('an answer that no waiting changes ends the fetch at once, with what the server says', async t => {
  const body = JSON.stringify({
    code: 'STAGE_ERR_GONE',
    message: 'The bundle is gone',
    reason: 'revoked',
    endedAt: '2026-03-01T12:00:00Z',
    todo: 'Stage the files again.',
    requestId: 'req-7',
    secret: 'no field of an error body'
  })
  const told =
    'code "STAGE_ERR_GONE", message "The bundle is gone", reason "revoked", endedAt "2026-03-01T12:00:00Z", requestId "req-7"'
  for (const [status, answer, exit, found] of [
    [400, body, 'refused', `status 400, ${told}`],
    [401, body, 'refused', `status 401, ${told}`],
    [403, 'null', 'refused', 'status 403'],
    [302, '', 'refused', 'status 302'],
    [404, '<html>no JSON</html>', 'gone', 'status 404'],
    [410, body, 'gone', `status 410, ${told}`],
    [410, 'x'.repeat(100_000), 'gone', 'status 410']
  ] as const) {
    const server = await fakeServer(t, [app], {
      onManifest: (_request, response) => void response.writeHead(status).end(answer)
    })
    const { run, waits } = fetching(t, server.url)

    await t.rejects(run(), {
      message: `manifest: expected status 200, found ${found}`,
      failure: { exit, subject: 'manifest' }
    })

    t.same(waits, [])
  }
})

t.test('a bundle that is revoked in the middle of a file ends the fetch with the reason', async t => {
  const server = await fakeServer(t, [app], {
    onEntry: ({ nth, answer, response }) => {
      if (nth === 0) answer(5)
      else response.writeHead(410).end('{"reason": "revoked"}')
    }
  })
  const { run } = fetching(t, server.url)

  await t.rejects(run(), {
    message: 'app/job.py: expected status 200, found status 410, reason "revoked"',
    failure: { exit: 'gone' }
  })
})

t.test('an answer that may pass is asked for again', async t => {
  const statuses = [408, 429, 500, 502, 503, 504]
  const server = await fakeServer(t, [app], {
    onEntry: ({ nth, answer, response }) => {
      const status = statuses[nth]
      if (status === undefined) answer()
      else response.writeHead(status).end()
    }
  })
  const { run, waits } = fetching(t, server.url)

  await run()

  t.same(waits, [250, 500, 1000, 2000, 4000, 8000])
})

t.test('a server that cannot be reached is asked until the time is up', async t => {
  const server = await fakeServer(t, [app])
  server.stop()
  const { run, waits } = fetching(t, server.url)

  await t.rejects(run(), { message: /^manifest: .* found ECONNREFUSED/, failure: { exit: 'gaveUp' } })

  t.ok(waits.length > 40, `found ${waits.length}`)
  t.ok(Math.max(...waits) <= 15_000)
})

t.test('a hostile manifest is refused and nothing is written', async t => {
  const good = app.entry
  const huge = `{"entries": "${'x'.repeat(16 * MiB)}"}`
  for (const [what, manifest] of [
    ['a path that climbs', { entries: [{ ...good, path: 'files/../../x' }] }],
    ['a name that climbs', { entries: [{ ...good, path: 'app/..' }] }],
    ['an absolute path', { entries: [{ ...good, path: '/etc/passwd' }] }],
    ['a path of another kind', { entries: [{ ...good, path: 'jars/job.py' }] }],
    ['an unknown kind', { entries: [{ ...good, kind: 'root', path: 'root/x' }] }],
    ['a negative size', { entries: [{ ...good, sizeBytes: -1 }] }],
    ['a digest that is a path', { entries: [{ ...good, sha256: '../x' }] }],
    ['two files at one path', { entries: [good, { ...good, sha256: 'a'.repeat(64) }] }],
    ['another bundle', { entries: [good], bundleId: 'f'.repeat(32) }],
    ['no entries', {}],
    ['no JSON', '<html>'],
    ['too many bytes', huge]
  ] as const) {
    const text =
      typeof manifest === 'string' ? manifest : JSON.stringify({ bundleId, namespace, ...manifest })
    const server = await fakeServer(t, [app], { onManifest: (_request, response) => void response.end(text) })
    const { run, into } = fetching(t, server.url)

    await t.rejects(run(), { message: /^manifest: expected /, failure: { exit: 'refused' } }, what)

    t.same(await readdir(into), [], what)
    t.same((await readdir(dirname(into))).sort(), ['into', 'token'], what)
    t.equal(server.entryRequests.length, 0, what)
  }
})

t.test('a certificate that is not trusted is told at once', async t => {
  const server = await fakeServer(t, [app], { tls: loopbackCertificate })
  const { run, waits } = fetching(t, server.url)

  await t.rejects(run(), {
    message: /expected a TLS server that Node's own authorities vouch for, found DEPTH_ZERO_SELF_SIGNED_CERT/,
    failure: { exit: 'refused' }
  })

  t.same(waits, [])
})

t.test('the CA file decides which certificate is trusted', async t => {
  const server = await fakeServer(t, [app], { tls: loopbackCertificate })
  const caFile = join(t.testdir({ 'ca.pem': loopbackCertificate.cert }), 'ca.pem')

  t.test('a server of that authority is asked', async t => {
    const { run } = fetching(t, server.url, { caFile })

    t.match(await run(), { fileCount: 1 })
  })

  t.test('a server with another name is refused, and the CA file named', async t => {
    const other = await fakeServer(t, [app], { tls: loopbackCertificate, host: '127.0.0.2' })
    const { run } = fetching(t, other.url, { caFile })

    await t.rejects(run(), {
      message: /the authorities in .*ca\.pem vouch for, found ERR_TLS_CERT_ALTNAME_INVALID/
    })
  })

  t.test('a server that is reached by another address is known by the name that it is given', async t => {
    const other = await fakeServer(t, [app], { tls: loopbackCertificate, host: '127.0.0.2' })
    const { run } = fetching(t, other.url, { caFile, servername: 'localhost' })

    t.match(await run(), { fileCount: 1 })
  })

  t.test('a server that speaks no TLS is refused', async t => {
    const plain = await fakeServer(t, [app])
    const { run } = fetching(t, new URL(`https://${plain.url.host}`), { caFile })

    await t.rejects(run(), { message: /WRONG_VERSION_NUMBER|PACKET_LENGTH/, failure: { exit: 'refused' } })
  })
})

t.test('a CA file that cannot be used is a usage error', async t => {
  const folder = t.testdir({ 'no.pem': 'no certificate' })
  for (const [caFile, found] of [
    [join(folder, 'missing.pem'), /expected a file that can be read, found ENOENT/],
    [join(folder, 'no.pem'), /expected certificates as PEM, found something else/]
  ] as const) {
    const { run } = fetching(t, new URL('https://127.0.0.1:1'), { caFile })

    await t.rejects(run(), { message: found, failure: { exit: 'usage' } })
  }
})

t.test('the token does not go over plain http to another host, unless told so', async t => {
  const url = new URL('http://stage.invalid:10000')
  const refused = fetching(t, url)

  await t.rejects(refused.run(), {
    message: /^server stage\.invalid:10000: expected https/,
    failure: { exit: 'usage' }
  })

  const allowed = fetching(t, url, { allowPlaintext: true, giveUpMs: 1 })
  await t.rejects(allowed.run(), { message: /^manifest: /, failure: { exit: 'gaveUp' } })
})

t.test('a token file that cannot be used is a usage error that does not show it', async t => {
  const secret = 'c2VjcmV0'
  for (const [content, found] of [
    ['', 'nothing'],
    [' \n', 'nothing'],
    [`${secret}\n${secret}`, 'other characters'],
    [`${secret}é`, 'other characters'],
    [`${secret} `.repeat(4000), 'more']
  ] as const) {
    const { run, options } = fetching(t, new URL('http://127.0.0.1:1'))
    await writeFile(options.tokenFile, content)

    const error = await run().catch((error: unknown) => error)

    t.ok(error instanceof FetchError)
    t.match(error, { failure: { exit: 'usage', found } })
    t.notMatch(String(error), secret)
  }
  const missing = fetching(t, new URL('http://127.0.0.1:1'), { tokenFile: '/nowhere/token' })
  await t.rejects(missing.run(), {
    message: /token file \/nowhere\/token: .* found ENOENT/,
    failure: { exit: 'usage' }
  })
})

t.test('a server that repeats the token does not bring it into an error', async t => {
  const server = await fakeServer(t, [app], {
    onManifest: (_request, response) =>
      void response.writeHead(401).end(JSON.stringify({ message: `bad ${token}` }))
  })
  const { run } = fetching(t, server.url)

  await t.rejects(run(), { message: /message "bad \[token\]"$/ })
})
