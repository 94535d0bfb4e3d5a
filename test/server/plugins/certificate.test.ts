import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { Certificate } from '../../../server/plugins/certificate.ts'
import { certificates } from '../../client/certificates.ts'
import { openSocket } from '../../helpers/raw-request.ts'
import { startServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'
import { loopbackCertificate } from '../../init-container/loopback-certificate.ts'

interface Pair {
  readonly cert: string
  readonly key: string
}

const first = loopbackCertificate
const second = { key: certificates.key, cert: certificates.good }

/** A folder with a certificate, as a mounted Secret has it: `cert` and `key` by way of a link that can be swapped. */
async function mountSecret(t: Test, pair: Pair = first) {
  const folder = t.testdir()
  const swap = async ({ cert, key }: Pair) => {
    const version = join(folder, `..${Math.random()}`)
    await mkdir(version)
    await writeFile(join(version, 'cert'), cert)
    await writeFile(join(version, 'key'), key)
    await symlink(version, join(folder, '..new'))
    await rename(join(folder, '..new'), join(folder, '..data'))
  }
  await swap(pair)
  for (const name of ['cert', 'key']) await symlink(join('..data', name), join(folder, name))
  return { folder, certFile: join(folder, 'cert'), keyFile: join(folder, 'key'), swap }
}

/** What a server would do, and all that is logged. */
function watchServer() {
  const served: { readonly cert?: unknown; readonly minVersion?: unknown }[] = []
  const logged: string[] = []
  const log = (level: string) => (fields: unknown, text?: string) => {
    const message = fields instanceof Object && 'err' in fields ? String(fields.err) : ''
    logged.push([level, text ?? fields, message].filter(word => word !== '').join(': '))
  }
  // A boundary: of a logger, only these two are asked for.
  const logger = { info: log('info'), error: log('error') } as never
  const server = { setSecureContext: (options: object) => void served.push(options) }
  return { served, logged, look: (certificate: Certificate) => certificate.look(server, logger) }
}

t.test('a pair that was replaced is served, and one that was not causes nothing', async t => {
  const { swap, ...files } = await mountSecret(t)
  const certificate = await Certificate.open(files)
  const { served, logged, look } = watchServer()
  t.match(certificate.options, { ...first, minVersion: 'TLSv1.2' })

  await look(certificate)
  t.same(served, [])
  await swap(second)
  await look(certificate)
  await look(certificate)

  t.match(served, [{ ...second, minVersion: 'TLSv1.2' }])
  t.match(certificate.options, second)
  t.same(logged, ['info: certificate replaced'])
})

t.test('a bad replacement keeps the old pair, and is told once', async t => {
  const { swap, ...files } = await mountSecret(t)
  const { certFile, keyFile } = files
  const certificate = await Certificate.open(files)
  const { served, logged, look } = watchServer()
  const told: string[] = []

  for (const [pair, trouble] of [
    [{ ...first, cert: 'nonsense' }, `${certFile}: expected a certificate in PEM`],
    [{ ...first, key: '' }, `${keyFile}: expected a private key in PEM, without a passphrase`],
    [{ ...first, key: second.key }, `${keyFile} is not the key of certificate 01 in ${certFile}`]
  ] as const) {
    await swap(pair)
    await look(certificate)
    await look(certificate)

    told.push(`error: certificate cannot be used, the old one stays: Error: ${trouble}`)
    t.same(logged, told)
  }
  await unlink(certFile)
  await look(certificate)
  await look(certificate)
  t.match(logged.slice(told.length), [/^error: .*ENOENT.*\/cert'$/])
  t.same(served, [])
  t.match(certificate.options, first)

  await t.test('and a good one after it is served', async t => {
    await symlink(join('..data', 'cert'), certFile)
    await swap(second)
    await look(certificate)

    t.match(served, [second])
    t.equal(logged.at(-1), 'info: certificate replaced')
  })
})

t.test('a server does not start with a certificate that cannot be used', async t => {
  const { swap, folder, certFile, keyFile } = await mountSecret(t, { ...first, key: second.key })
  const env = { SPARK_STAGE_TLS_CERT_FILE: certFile, SPARK_STAGE_TLS_KEY_FILE: keyFile }

  await t.rejects(startServer(t, { env }), {
    message: `${keyFile} is not the key of certificate 01 in ${certFile}`
  })
  await swap({ cert: 'nonsense', key: first.key })
  await t.rejects(startServer(t, { env }), { message: `${certFile}: expected a certificate in PEM` })
  await rm(join(folder, 'cert'))
  await t.rejects(startServer(t, { env }), {
    message: new RegExp(`^the certificate cannot be read: ENOENT.*${certFile}`)
  })
})

t.test('a server with a certificate speaks TLS 1.2 and later, and nothing else', async t => {
  const { certFile, keyFile, swap } = await mountSecret(t)
  const server = await startServer(t, {
    env: { SPARK_STAGE_TLS_CERT_FILE: certFile, SPARK_STAGE_TLS_KEY_FILE: keyFile }
  })
  const port = Number(new URL(server.url).port)
  const open = async (options: object): Promise<TLSSocket> => {
    const socket = connect({ port, host: '127.0.0.1', ca: [first.cert, second.cert], ...options })
    t.teardown(() => socket.destroy())
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    return socket
  }
  const served = async (): Promise<DetailedPeerCertificate> => (await open({})).getPeerCertificate(true)

  t.match(server.url, /^https:/)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await open({ minVersion: version, maxVersion: version })
    t.equal(socket.getProtocol(), version)
    socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    t.match(String((await socket.toArray())[0]), /^HTTP\/1\.1 200 OK/)
  }
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }
  await t.rejects(open(old), { code: /ERR_SSL|ECONNRESET/ })

  await t.test('plain http is no request there', async t => {
    const socket = openSocket(server)
    socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const said = Buffer.concat(await socket.toArray())
    t.notMatch(String(said), 'HTTP/1.1 200')
    t.equal((await served()).subject.CN, 'loopback of the tests', 'and the server goes on')
  })

  await t.test(
    'a new certificate is there for new connections, and the old one for those that are open',
    async t => {
      const before = await open({})
      await swap(second)

      await until(async () => (await served()).subject.CN === 'certificate of the tests')

      before.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      t.match(String((await before.toArray())[0]), /^HTTP\/1\.1 200 OK/)
      t.match(server.logLines.join(''), '"msg":"certificate replaced"')
      await t.rejects(open(old), { code: /ERR_SSL|ECONNRESET/ })
    }
  )
})
