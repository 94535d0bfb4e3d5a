import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rename, symlink } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { entryPath } from '../../shared/paths.ts'
import { secondMs } from '../../shared/units.ts'
import { sha256sums, writeRandomFile } from './helpers/files.ts'
import { fetchInto, namespace, put, repositoryPath, startStage } from './helpers/programs.ts'
import { fileBytes, laidOutFile } from './helpers/staged-file.ts'
import { startProcess } from './helpers/start-process.ts'
import { testFolder } from './helpers/test-folder.ts'

const run = promisify(execFile)

t.test('put, init, get and doctor speak https with a server of an authority of one’s own', async t => {
  const home = testFolder(t)
  const path = await writeRandomFile(join(home, 'data.bin'), fileBytes)
  const { caFile, env } = await makeCertificates(home)
  const stage = await startStage(t, { home, env })
  const digests = await sha256sums([path])
  const trust = ['--ca-file', caFile]
  const url = stage.url

  t.match(url, /^https:/)
  const files = ['--file', path]
  const staged = await put(t, { ...stage, files, tokenFile: join(home, 'token'), more: trust })
  await fetchInto(t, { url, staged, into: join(home, 'into'), more: trust })
  t.same(await sha256sums([laidOutFile(join(home, 'into'))]), digests)

  const what = ['--bundle', staged.bundle, '--token-file', staged.tokenFile]
  const got = await client(t, ['get', '--server', url, ...what, '--into', join(home, 'got'), ...trust])
  t.equal(got.code, 0, got.stderr)
  t.same(await sha256sums([laidOutFile(join(home, 'got'))]), digests)
  const credential = ['--namespace', namespace, '--upload-token-file', stage.credentialFile]
  const examined = await client(t, ['doctor', '--server', url, ...what, ...credential, ...trust])
  t.equal(examined.code, 0, examined.stdout + examined.stderr)

  await t.test('and do not trust it without that authority', async t => {
    const untrusting = await client(t, ['doctor', '--server', url, ...credential])
    t.not(untrusting.code, 0)
    t.match(untrusting.stdout + untrusting.stderr, /--ca-file/)
  })

  await t.test('a certificate replaced during a download serves whoever comes next', async t => {
    const ca = await readFile(caFile)
    t.equal(await servedName(stage.port, ca), 'first')
    const path = url + entryPath(namespace, staged.bundleId, 'files/data.bin')
    const request = get(path, { ca, headers: { authorization: `Bearer ${staged.token}` } })
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    const replacedMs = performance.now()

    await useCertificate(home, 'second')
    await stage.line('certificate replaced')

    const tookMs = performance.now() - replacedMs
    t.comment(`served ${Math.round(tookMs)} ms later`)
    t.ok(tookMs < 10 * secondMs)
    t.equal(await servedName(stage.port, ca), 'second')
    const expected = await readFile(join(home, 'data.bin'))
    let rightBytes = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (!chunk.equals(expected.subarray(rightBytes, rightBytes + chunk.length))) break
      rightBytes += chunk.length
    }
    t.equal(rightBytes, fileBytes)
  })

  await t.test('a bad one is told once, and the last good one stays', async t => {
    const ca = await readFile(caFile)

    await useCertificate(home, 'broken')
    await stage.line('certificate cannot be used')

    t.equal(await servedName(stage.port, ca), 'second')
    await useCertificate(home, 'first')
    while ((await servedName(stage.port, ca)) !== 'first')
      await new Promise(resolve => setTimeout(resolve, 100))
    const { code, stdout } = await stage.kill('SIGTERM')
    t.equal(code, 0)
    t.equal(stdout.match(/certificate cannot be used/g)?.length, 1)
    t.equal(stdout.match(/certificate replaced/g)?.length, 2)
  })
})

/**
 * An authority and two certificates of 127.0.0.1 by it, with their keys, and a folder without any, laid out as
 * Kubernetes mounts a Secret: the files are links through `..data`, which is swapped.
 */
async function makeCertificates(home: string) {
  const at = (...names: string[]) => join(home, 'secret', ...names)
  await mkdir(at(), { recursive: true })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = ['-subj', '/CN=authority', '-keyout', at('ca.key'), '-out', at('ca.crt')]
  await run('openssl', ['req', '-x509', '-days', '2', ...key, ...authority])
  const by = ['-CA', at('ca.crt'), '-CAkey', at('ca.key')]
  for (const name of ['first', 'second']) {
    await mkdir(at(name))
    const files = ['-keyout', at(name, 'tls.key'), '-out', at(name, 'tls.crt')]
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
    const leaf = ['-addext', 'basicConstraints=critical,CA:FALSE']
    await run('openssl', ['req', '-x509', '-days', '2', ...key, ...by, ...names, ...leaf, ...files])
  }
  await mkdir(at('broken'))
  await useCertificate(home, 'first')
  for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), at(name))
  return {
    caFile: at('ca.crt'),
    env: { SPARK_STAGE_TLS_CERT_FILE: at('tls.crt'), SPARK_STAGE_TLS_KEY_FILE: at('tls.key') }
  }
}

async function useCertificate(home: string, name: string): Promise<void> {
  await symlink(name, join(home, 'secret', '..new'))
  await rename(join(home, 'secret', '..new'), join(home, 'secret', '..data'))
}

/** The common name of the certificate that a new connection is shown. */
async function servedName(port: number, ca: Buffer): Promise<string | string[] | undefined> {
  const socket = connect({ port, host: '127.0.0.1', ca })
  try {
    await once(socket, 'secureConnect')
    return socket.getPeerCertificate().subject.CN
  } finally {
    socket.destroy()
  }
}

function client(t: Test, args: readonly string[]) {
  return startProcess(t, process.execPath, [repositoryPath('client/main.ts'), ...args]).ended
}
