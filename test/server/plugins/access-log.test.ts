import t from 'tap'
import { redactedPaths } from '../../../server/plugins/access-log.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { bundlePath, bundlesPath, entryPath } from '../../../shared/paths.ts'
import { auditLines } from '../../helpers/audited-actions.ts'
import { call, stage, upload } from '../../helpers/call.ts'
import { filePart, openSocket, requestHead } from '../../helpers/raw-request.ts'
import { sha256, startServer, type TestServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const linesOf = (server: TestServer) =>
  server.logLines.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'request answered')

t.test('one request is one line, with who asked for what and what came of it', async t => {
  const server = await startServer(t)

  await stage(server, [['files', 'a', '1']])
  await stage(server, [['files', '..', '1']])
  await call(server, 'GET', '/livez')

  t.match(linesOf(server), [
    {
      level: 30,
      method: 'POST',
      path: bundlesPath('team-a'),
      status: 201,
      principal: 'alice',
      from: '127.0.0.1',
      ms: Number,
      reqId: /./
    },
    { method: 'POST', status: 400, principal: 'alice', code: 'STAGE_ERR_BAD_NAME' },
    { method: 'GET', path: '/livez', status: 200 }
  ])
  const [staged, , live] = linesOf(server)
  t.equal('code' in staged, false)
  t.equal('principal' in live, false)
})

t.test('a query is not logged: someone may put there what belongs into a header', async t => {
  const server = await startServer(t)
  server.keepSecret('secret-of-a-query')

  await upload(server, 'GET', `${bundlesPath('team-a')}?limit=1&token=secret-of-a-query`)
  await call(server, 'GET', '/?secret-of-a-query')

  t.strictSame(
    linesOf(server).map(({ path }) => path),
    [bundlesPath('team-a'), '/']
  )
})

t.test('whatever the list of redacted paths names is shown in no line', async t => {
  const server = await startServer(t)
  server.keepSecret('never-to-be-seen')

  for (const path of redactedPaths) {
    const fields = path
      .split('.')
      .reduceRight<unknown>((inner, name) => ({ [name]: inner }), 'never-to-be-seen')
    server.app.server.log.info(fields, path)
  }

  t.notMatch(server.logLines.join(''), 'never-to-be-seen')
  for (const path of redactedPaths) t.match(server.logLines.join(''), `"msg":"${path}"`)
})

t.test('a refused request is audited as such, with what it was meant for', async t => {
  const server = await startServer(t)
  const { bundleId } = (await stage(server, [['files', 'a', '1']])).json

  await call(server, 'DELETE', bundlePath('team-a', bundleId))
  await call(server, 'GET', entryPath('team-a', bundleId, 'files/a'))

  t.match(auditLines(server).slice(1), [
    { action: 'revoke', outcome: 'refused', namespace: 'team-a', bundleId, code: 'STAGE_ERR_CREDENTIAL' },
    { action: 'download', outcome: 'refused', namespace: 'team-a', bundleId, code: 'STAGE_ERR_TOKEN' }
  ])
})

t.test('a failed request and one that was cut off are audited as such', async t => {
  const failing = { isBroken: false }
  const server = await startServer(t, {
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (failing.isBroken && method === 'put') throw new StorageError('broken', 'no disk')
        }
      })
  })
  failing.isBroken = true
  await stage(server, [['files', 'a', '1']])
  failing.isBroken = false
  const socket = openSocket(server)
  const lines = ['Content-Type: multipart/form-data; boundary=B', 'Content-Length: 1000']
  socket.write(requestHead('POST', bundlesPath('team-a'), lines) + filePart('files', 'a'))
  await until(async () => (await server.files()).some(path => path.startsWith('tmp/')))

  socket.destroy()

  await until(() => auditLines(server).length === 2)
  t.match(auditLines(server), [
    { msg: 'request answered', action: 'stage', outcome: 'failed', principal: 'alice', from: '127.0.0.1' },
    { msg: 'request cut off', action: 'stage', outcome: 'cut off', principal: 'alice', from: '127.0.0.1' }
  ])
})

t.test('the digest of a bundle is that of the list of its files', async t => {
  const server = await startServer(t)
  const staged = await stage(server, [
    ['files', 'a', '1'],
    ['jars', 'b.jar', '2']
  ])

  const list = `${sha256('1')}  files/a\n${sha256('2')}  jars/b.jar\n`
  t.equal(staged.status, 201)
  t.match(auditLines(server), [{ action: 'stage', digest: sha256(list), bytes: 2 }])
})

t.test('what is not about a bundle is not audited', async t => {
  const server = await startServer(t)

  await call(server, 'GET', '/livez')
  await call(server, 'GET', '/nothing')
  await upload(server, 'GET', bundlesPath('team-a'))

  t.strictSame(auditLines(server), [])
})
