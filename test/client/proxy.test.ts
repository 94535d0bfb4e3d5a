import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import t from 'tap'
import { StageServer } from '../../client/http-client.ts'
import { proxyFor } from '../../client/proxy.ts'
import { HttpClient } from '../../init-container/http-client.ts'
import { certificates } from './certificates.ts'
import { startHttps, startTunnel } from './https-server.ts'

const never = new AbortController().signal
const server = new URL('https://stage.example:8443')
const proxy = { HTTPS_PROXY: 'http://proxy.example:3128' }

t.test('https to another machine goes through the proxy that the environment names', async t => {
  t.equal(proxyFor(server, proxy)?.href, 'http://proxy.example:3128/')
  t.equal(proxyFor(server, { https_proxy: 'other:1', ...proxy })?.href, 'http://other:1/')
  t.equal(proxyFor(server, {}), undefined)
  t.equal(proxyFor(server, { HTTPS_PROXY: '' }), undefined)
})

t.test('plain http and loopback never go through a proxy', async t => {
  for (const direct of ['http://stage.example', 'https://127.0.0.1:1', 'https://[::1]', 'https://localhost'])
    t.equal(proxyFor(new URL(direct), proxy), undefined, direct)
})

t.test('NO_PROXY names hosts and domains, with or without a port', async t => {
  for (const list of ['*', 'stage.example', 'x, .example', '*.example', 'STAGE.example:8443', 'a example'])
    t.equal(proxyFor(server, { ...proxy, NO_PROXY: list }), undefined, list)
  for (const list of ['other.example', 'stage.example:443', 'age.example', 'stage', ','])
    t.ok(proxyFor(server, { ...proxy, no_proxy: list }), list)
  t.equal(proxyFor(new URL('https://[fd00::1]'), { ...proxy, NO_PROXY: 'fd00::1' }), undefined)
})

t.test('a proxy that is no URL is refused, and not shown', async t => {
  for (const HTTPS_PROXY of ['socks5://user:hunter2@proxy', 'http://user:hunter2@[proxy'])
    t.throws(() => proxyFor(server, { HTTPS_PROXY }), {
      exitCause: 'usage',
      message: /^(?!.*hunter2)HTTPS_PROXY: expected/
    })
})

t.test('requests reach the server through a tunnel, with the authorities of the options', async t => {
  const port = await startHttps(t, 'good', (request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ host: request.headers.host }))
  })
  const tunnel = await startTunnel(t, port)
  const url = new URL('https://stage.example')
  const options = { url, giveUpMs: 5000 }
  const through = new URL(tunnel.url.replace('//', '//user:pass@'))
  await using trusting = await StageServer.open({
    ...options,
    giveUpMs: 5000,
    proxy: through,
    ca: certificates.good
  })
  await using wary = await StageServer.open({ ...options, proxy: through })

  const answer = await trusting.ask({ method: 'GET', path: '/livez' }, never)

  t.match(answer, { status: 200, text: '{"host":"stage.example"}' })
  const authorization = `Basic ${Buffer.from('user:pass').toString('base64')}`
  t.strictSame(tunnel.asked, [{ target: 'stage.example:443', authorization }])
  await t.rejects(wary.ask({ method: 'GET', path: '/livez' }, never), {
    exitCause: 'usage',
    message: /through the proxy 127\.0\.0\.1:\d+: /
  })
})

t.test('bundles are fetched through the same tunnel', async t => {
  const port = await startHttps(t, 'good', (request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ host: request.headers.host }))
  })
  const tunnel = await startTunnel(t, port)
  const caFile = join(t.testdir({}), 'ca.pem')
  await writeFile(caFile, certificates.good)
  const options = { server: new URL('https://stage.example'), allowPlaintext: false, stallMs: 5000, caFile }
  await using client = await HttpClient.open({ ...options, proxy: new URL(tunnel.url) })

  const answer = await client.get('the manifest', '/manifest', {}, never)

  t.strictSame(await json(answer.body), { host: 'stage.example' })
  t.match(tunnel.asked, [{ target: 'stage.example:443' }])
})
