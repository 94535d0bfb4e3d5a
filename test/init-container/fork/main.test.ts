import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { forkKeys } from '../../../shared/fork-keys.ts'
import { startServer } from '../../helpers/start-server.ts'
import { emptyArchive, ownerPart, resourcesPart, send, uploadRequest } from '../../server/v0/fork-client.ts'
import { temporaryFolder } from '../fetching.ts'
import { archiveOf } from './archives.ts'
import { fakeWeb } from './fake-web.ts'

const main = new URL('../../../init-container/main.ts', import.meta.url).pathname
const server = await startServer(t, { env: { SPARK_STAGE_V0: 'true' } })

/** Uploads as the fork's submission client does, and leaves the secret where its pod has it. @returns the id */
async function stage(archive: Buffer, secretFile: string): Promise<string> {
  const { body } = await send(server.url, uploadRequest([resourcesPart(archive), ownerPart()]))
  const { resourceId, resourceSecret } = JSON.parse(body.toString())
  server.keepSecret(resourceSecret)
  await writeFile(secretFile, resourceSecret)
  return resourceId
}

/** A pod as the fork makes it: the two secrets, and the properties file as `java.util.Properties` stores it. */
async function forkPod(t: Test, jars: Buffer, files: Buffer, more: readonly string[] = []) {
  const home = temporaryFolder(t)
  const jarsId = await stage(jars, join(home, 'downloadSubmittedJarsSecret'))
  const filesId = await stage(files, join(home, 'downloadSubmittedFilesSecret'))
  const properties = join(home, 'spark-init.properties')
  const lines = [
    '#Java properties built from Kubernetes config map with name: spark-init',
    '#Sun Nov 22 20:00:00 UTC 2026',
    `${forkKeys.server}=${server.url.replaceAll(':', '\\:')}`,
    `${forkKeys.jarsId}=${jarsId}`,
    `${forkKeys.jarsSecretFile}=${home}/downloadSubmittedJarsSecret`,
    `${forkKeys.filesId}=${filesId}`,
    `${forkKeys.filesSecretFile}=${home}/downloadSubmittedFilesSecret`,
    `${forkKeys.jarsFolder}=${home}/spark-jars`,
    `${forkKeys.filesFolder}=${home}/spark-files`,
    `${forkKeys.timeout}=1m`,
    ...more
  ]
  await writeFile(properties, `${lines.join('\n')}\n`)
  return { home, properties }
}

/** Runs the init container as the fork's pod does. */
async function run(t: Test, properties: string) {
  const log = join(temporaryFolder(t), 'log')
  const env = { ...process.env, SPARK_STAGE_TERMINATION_LOG: log }
  const child = spawn(process.execPath, [main, properties], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  const lines = stdout.split('\n').filter(line => line !== '')
  return {
    code: child.exitCode,
    stdout,
    stderr,
    events: lines.map(line => JSON.parse(line)),
    terminationLog: await readFile(log, 'utf8').catch(() => '')
  }
}

t.test('from the fork’s properties file it gets both archives and a remote file', async t => {
  const web = await fakeWeb(t, (_request, response) => response.end('remote'))
  const jars = archiveOf([
    { path: 'a.jar', content: 'a' },
    { path: 'b.jar', content: 'b' }
  ])
  const remote = `${forkKeys.remoteJars}=${web.replaceAll(':', '\\:')}/c.jar`
  const { home, properties } = await forkPod(t, jars, emptyArchive, [remote])

  const { code, stdout, stderr, events } = await run(t, properties)

  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(events[0], { event: 'starting', properties })
  t.match(events.at(-1), { event: 'complete', fileCount: 3 })
  t.same((await readdir(join(home, 'spark-jars'))).sort(), ['a.jar', 'b.jar', 'c.jar'])
  t.same(await readdir(join(home, 'spark-files')), [])
  t.equal(await readFile(join(home, 'spark-jars/b.jar'), 'utf8'), 'b')
  const secret = await readFile(join(home, 'downloadSubmittedJarsSecret'), 'utf8')
  t.notMatch(stdout, secret)
})

t.test('a hostile archive ends it with the code of what arrived wrong, and nothing is written', async t => {
  const hostile = archiveOf([{ path: '../escaped', content: 'x' }])
  const { home, properties } = await forkPod(t, hostile, emptyArchive)

  const { code, terminationLog } = await run(t, properties)

  t.equal(code, 12)
  t.match(terminationLog, /^damaged: jars\.tgz: expected only files and folders .*, found "\.\.\/escaped"/)
  t.same(await readdir(join(home, 'spark-jars')), [])
  t.notOk((await readdir(home)).includes('escaped'))
})

t.test('a wrong secret ends it at once, and is in no output', async t => {
  const { home, properties } = await forkPod(t, emptyArchive, emptyArchive)
  await writeFile(join(home, 'downloadSubmittedFilesSecret'), 'wrong-secret-of-the-tests')

  const { code, stdout, terminationLog } = await run(t, properties)

  t.equal(code, 10)
  t.match(terminationLog, /^refused: files\.tgz: expected status 200, found status 401/)
  t.notMatch(stdout + terminationLog, 'wrong-secret-of-the-tests')
})

t.test(
  'a properties file that cannot be read, or asks for what cannot be done, is a usage error',
  async t => {
    const { properties } = await forkPod(t, emptyArchive, emptyArchive, [`${forkKeys.remoteFiles}=s3a://b/x`])

    for (const [file, line] of [
      ['/nowhere/spark-init.properties', /^usage: properties file .*: expected a file that can be read/],
      [properties, /^usage: spark\.kubernetes\.initcontainer\.remoteFiles: expected http\(s\) URLs/]
    ] as const) {
      const { code, terminationLog } = await run(t, file)

      t.equal(code, 2)
      t.match(terminationLog, line)
    }
  }
)
