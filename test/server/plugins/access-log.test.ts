import t from 'tap'
import { redactedPaths } from '../../../server/plugins/access-log.ts'
import { bundlesPath } from '../../../shared/paths.ts'
import { call, stage, upload } from '../../helpers/call.ts'
import { startServer, type TestServer } from '../../helpers/start-server.ts'

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
