import t, { type Test } from 'tap'
import { call } from '../helpers/call.ts'
import { exchange } from '../helpers/raw-request.ts'
import { startServer, type TestServer } from '../helpers/start-server.ts'

const forwarded = {
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-host': 'localhost',
  'x-forwarded-proto': 'https'
}

/** From where the log says that the last request came. */
function lastFrom({ logLines }: TestServer): unknown {
  return logLines.map(line => JSON.parse(line)).findLast(({ msg }) => msg === 'request answered')?.from
}

async function startBehind(t: Test, proxies: string | undefined): Promise<TestServer> {
  return startServer(t, { env: proxies === undefined ? {} : { SPARK_STAGE_TRUSTED_PROXIES: proxies } })
}

for (const proxies of ['127.0.0.1', '10.0.0.0/8, 127.0.0.0/8', ' ::1,127.0.0.1/32']) {
  t.test(`behind ${proxies}, a request comes from whom the proxy says`, async t => {
    const server = await startBehind(t, proxies)

    await call(server, 'GET', '/livez', { headers: forwarded })

    t.equal(lastFrom(server), '203.0.113.9')
  })
}

for (const proxies of [undefined, '10.0.0.0/8', '127.0.0.2', '::1']) {
  t.test(`with ${proxies ?? 'nobody'} trusted, forwarded headers of another are nothing`, async t => {
    const server = await startBehind(t, proxies)

    await call(server, 'GET', '/livez', { headers: forwarded })

    t.equal(lastFrom(server), '127.0.0.1')
  })
}

t.test(
  'of a chain, the last address that is no trusted proxy counts: what stands before it may be made up',
  async t => {
    const server = await startBehind(t, '127.0.0.1, 10.0.0.0/8')

    await call(server, 'GET', '/livez', {
      headers: { 'x-forwarded-for': '198.51.100.1, 203.0.113.9, 10.0.0.7' }
    })

    t.equal(lastFrom(server), '203.0.113.9')
  }
)

t.test('a forwarded Host never makes a foreign one good', async t => {
  const server = await startServer(t, {
    env: { SPARK_STAGE_UPLOAD_AUTH: 'none', SPARK_STAGE_TRUSTED_PROXIES: '127.0.0.1' }
  })
  const lines = ['Connection: close', 'X-Forwarded-Host: localhost', 'Host: evil.example']

  const { status, error } = await exchange(server, `GET /livez HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)

  t.equal(status, 403)
  t.match(error, { code: 'STAGE_ERR_FOREIGN_SITE', found: 'Host "evil.example"' })
})
