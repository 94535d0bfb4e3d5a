import t, { type Test } from 'tap'
import { bundlesPath } from '../../../shared/paths.ts'
import { stage } from '../../helpers/call.ts'
import { filePart, openSocket, readAnswer } from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing, type Refusal } from '../../helpers/refusals.ts'
import { startServer, type TestServer } from '../../helpers/start-server.ts'

const open = { SPARK_STAGE_UPLOAD_AUTH: 'none' }

async function post(server: TestServer, lines: readonly string[], version = '1.1') {
  const body = `${filePart('files', 'a')}--B--\r\n`
  const all = [
    'Connection: close',
    `Content-Length: ${body.length}`,
    'Content-Type: multipart/form-data; boundary=B',
    ...lines
  ]
  const socket = openSocket(server)
  socket.write(`POST ${bundlesPath('team-a')} HTTP/${version}\r\n${all.join('\r\n')}\r\n\r\n${body}`)
  return readAnswer(socket)
}

async function isForeign(t: Test, server: TestServer, lines: readonly string[], refusal: Partial<Refusal>) {
  await leavesNothing(t, server, async () => {
    isRefusal(t, await post(server, lines, lines.length === 0 ? '1.0' : '1.1'), {
      status: 403,
      code: 'STAGE_ERR_FOREIGN_SITE',
      ...refusal
    })
  })
}

t.test('without credentials, on loopback', async t => {
  const server = await startServer(t, { env: open })

  for (const host of [
    'localhost',
    'LOCALHOST:10000',
    '127.0.0.1:1',
    '127.8.8.8',
    '[::1]',
    '[::1]:10000',
    'localhost:'
  ]) {
    t.equal((await post(server, [`Host: ${host}`])).status, 201, `Host ${host} is this machine`)
  }
  for (const host of [
    'evil.example',
    'evil.example:10000',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    '[::2]',
    '0.0.0.0',
    '10.0.0.1',
    '127.0.0.1@evil.example',
    ''
  ]) {
    t.test(`Host "${host}" is foreign`, async t => {
      const shown = JSON.stringify(host.replace(/:10000$/, ''))
      await isForeign(t, server, [`Host: ${host}`], { expected: 'a loopback Host', found: `Host ${shown}` })
    })
  }
  t.test('no Host is foreign', t =>
    isForeign(t, server, [], { expected: 'a loopback Host', found: 'Host ""' })
  )
  for (const origin of ['https://evil.example', 'http://localhost:10000', 'null']) {
    t.test(`Origin ${origin} is refused`, async t => {
      const refusal = { expected: 'no Origin header', found: `Origin "${origin}"` }
      await isForeign(t, server, ['Host: localhost', `Origin: ${origin}`], refusal)
    })
  }
})

t.test('without credentials, open to others on purpose, any Host will do and no Origin', async t => {
  const server = await startServer(t, {
    env: {
      ...open,
      SPARK_STAGE_HOST: '0.0.0.0',
      SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS: 'true',
      SPARK_STAGE_ALLOW_PLAINTEXT: 'true',
      SPARK_STAGE_SIGNING_KEYS_DIR: '/keys'
    }
  })

  t.equal((await post(server, ['Host: stage.svc:10000'])).status, 201)
  await isForeign(t, server, ['Host: stage.svc:10000', 'Origin: http://stage.svc:10000'], {
    expected: 'no Origin header'
  })
})

t.test('with credentials, Host and Origin are nobody’s business', async t => {
  const server = await startServer(t)

  const answer = await post(server, ['Host: evil.example', 'Origin: https://evil.example'])

  isRefusal(t, answer, { status: 401, code: 'STAGE_ERR_CREDENTIAL' })
})

t.test('without credentials, everyone may stage everywhere, and is called anonymous', async t => {
  const server = await startServer(t, { env: open })

  const staged = await stage(server, [['files', 'a', '1']], { namespace: 'any', credential: 'whatever' })
  const listed = await fetch(server.url + bundlesPath('any'))

  t.equal(staged.status, 201)
  t.match(await listed.json(), { bundles: [{ principal: 'anonymous' }] })
})
