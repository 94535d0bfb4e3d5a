import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { GiB } from '../../shared/units.ts'
import { makeStore } from './staging/verification/staged-store.ts'

interface Process {
  readonly child: ChildProcess
  /** All that it has said so far. */
  readonly lines: string[]
  /** Its exit code, once it has ended. */
  readonly ended: Promise<number | null>
}

/** Starts the real program. */
function start(t: Test, env: Readonly<Record<string, string>>, args: readonly string[] = []): Process {
  const home = {
    PATH: process.env['PATH'] ?? '',
    ...(process.env['NODE_OPTIONS'] === undefined ? {} : { NODE_OPTIONS: process.env['NODE_OPTIONS'] })
  }
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../server/main.ts'), ...args], {
    env: { ...home, SPARK_STAGE_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', line => lines.push(line))
  const ended = once(child, 'close').then(([code]) => code)
  return { child, lines, ended }
}

/** The address of a server, once it listens. */
async function addressOf({ child, lines, ended }: Process): Promise<string> {
  const found = () =>
    lines
      .map(line => /"url":"([^"]+)".*"msg":"server listening"/.exec(line)?.[1])
      .find(url => url !== undefined)
  while (found() === undefined) {
    const over = await Promise.race([
      once(child.stdout as NodeJS.ReadableStream, 'data').then(() => false),
      ended.then(() => true)
    ])
    if (over) throw new Error(`ended: ${lines.join('\n')}`)
  }
  return found() ?? ''
}

t.test('a server starts, says where it listens, is ready, and ends well when asked to', async t => {
  const folder = join(t.testdir(), 'store')
  const server = start(t, { SPARK_STAGE_UPLOAD_AUTH: 'none', SPARK_STAGE_STORE: pathToFileURL(folder).href })

  const url = await addressOf(server)
  const ready = await fetch(`${url}/readyz`)
  const second = start(t, { SPARK_STAGE_UPLOAD_AUTH: 'none', SPARK_STAGE_STORE: pathToFileURL(folder).href })

  t.equal(ready.status, 200)
  t.equal((await stat(join(folder, 'keys/key-1'))).mode & 0o777, 0o600)
  await t.test('a second server on its store refuses to start, and says who has it', async t => {
    t.equal(await second.ended, 2)
    t.strictSame(second.lines.length, 1)
    t.match(
      second.lines[0],
      new RegExp(`^spark-stage-server: the store ${folder} is in use by process ${server.child.pid} on `)
    )
  })
  server.child.kill('SIGTERM')
  t.equal(await server.ended, 0)
  const output = server.lines.join('\n')
  t.match(output, /"signal":"SIGTERM","msg":"server stopping"/)
  t.match(output, /"msg":"server stopped"/)
})

t.test('a server uses the keys and the tokens that it is given', async t => {
  const home = t.testdir({ keys: { 'key-7': 'x'.repeat(32) } })
  await writeFile(join(home, 'tokens.json'), '{"tokens": []}')
  const server = start(t, {
    SPARK_STAGE_STORE: pathToFileURL(join(home, 'store')).href,
    SPARK_STAGE_SIGNING_KEYS_DIR: join(home, 'keys'),
    SPARK_STAGE_UPLOAD_TOKENS_FILE: join(home, 'tokens.json')
  })

  const url = await addressOf(server)

  t.equal((await fetch(`${url}/api/v1/namespaces/team-a/bundles`)).status, 401)
  await t.rejects(stat(join(home, 'store/keys')), { code: 'ENOENT' })
  server.child.kill('SIGINT')
  t.equal(await server.ended, 0)
})

t.test('with a bad configuration, a server ends with 2 and one line that says why', async t => {
  const folder = join(t.testdir(), 'store')
  const server = start(t, { SPARK_STAGE_STORE: pathToFileURL(folder).href, SPARK_STAGE_PORT: 'http' })

  t.equal(await server.ended, 2)

  t.equal(server.lines.length, 1)
  t.match(server.lines[0], /^spark-stage-server: .*SPARK_STAGE_PORT/)
  await t.rejects(stat(folder), { code: 'ENOENT' })
})

t.test('with a signing key that is too short, a server ends with 2 and lets go of its store', async t => {
  const home = t.testdir({ keys: { 'key-1': 'short' } })
  const server = start(t, {
    SPARK_STAGE_UPLOAD_AUTH: 'none',
    SPARK_STAGE_STORE: pathToFileURL(join(home, 'store')).href,
    SPARK_STAGE_SIGNING_KEYS_DIR: join(home, 'keys')
  })

  t.equal(await server.ended, 2)

  t.match(server.lines, [/^spark-stage-server: signing key .*: expected at least 32 bytes, found 5$/])
})

t.test(
  'verify is refused while a server runs, says that all is well after it, and needs no more than a store',
  async t => {
    const folder = join(t.testdir(), 'store')
    const env = { SPARK_STAGE_STORE: pathToFileURL(folder).href }
    const server = start(t, { ...env, SPARK_STAGE_UPLOAD_AUTH: 'none' })
    await addressOf(server)

    const refused = start(t, env, ['verify'])
    t.equal(await refused.ended, 2)
    server.child.kill('SIGTERM')
    await server.ended
    const whole = start(t, env, ['verify'])

    t.match(refused.lines, [new RegExp(`in use by process ${server.child.pid} on `)])
    t.equal(await whole.ended, 0)
    t.match(whole.lines.join('\n'), /^findings {3}damaged 0, orphan 0, unmarked 0$/m)
  }
)

t.test('verify ends with 15 when something is wrong, and with 2 where there is no store', async t => {
  const folder = join(t.testdir(), 'store')
  const env = { SPARK_STAGE_STORE: pathToFileURL(folder).href }
  const server = start(t, { ...env, SPARK_STAGE_UPLOAD_AUTH: 'none' })
  await addressOf(server)
  server.child.kill('SIGTERM')
  await server.ended
  await mkdir(join(folder, 'bundles'))
  await writeFile(join(folder, 'bundles', 'stray'), '')

  const wrong = start(t, env, ['verify'])
  const absent = start(t, { SPARK_STAGE_STORE: pathToFileURL(`${folder}-2`).href }, ['verify'])

  t.equal(await wrong.ended, 15)
  t.match(wrong.lines.join('\n'), /^orphan stray: /m)
  t.equal(await absent.ended, 2)
  t.strictSame(absent.lines, [`spark-stage-server: no store in ${folder}-2`])
  await t.rejects(stat(`${folder}-2`), { code: 'ENOENT' })
})

t.test('help and version are printed, and any other argument ends with 2', async t => {
  const help = start(t, {}, ['--help'])
  const version = start(t, {}, ['--version'])
  const wrong = start(t, {}, ['serve'])

  t.equal(await help.ended, 0)
  t.equal(help.lines[0], 'spark-stage-server [verify | copy --from URL --to URL]')
  t.equal(await version.ended, 0)
  t.match(version.lines, [/^\d+\.\d+\.\d+$/])
  t.equal(await wrong.ended, 2)
  t.match(wrong.lines, [/^spark-stage-server: expected no argument, or one of verify, copy, /])
})

t.test('verify ends with 130 after Ctrl-C, however much there is to read', async t => {
  const store = await makeStore(t)
  const data = join(store.folder, 'bundles', store.bundleId, '0/data/0')
  const manifest = `bundles/${store.bundleId}/0/manifest.json`
  const { entries } = JSON.parse(await readFile(join(store.folder, manifest), 'utf8'))
  const sizeBytes = 1024 * GiB
  await truncate(data, sizeBytes)
  await store.change(manifest, { entries: [{ ...entries[0], sizeBytes }, entries[1]] })

  const { child, lines, ended } = start(t, { SPARK_STAGE_STORE: pathToFileURL(store.folder).href }, [
    'verify'
  ])
  const holder = () => readFile(join(store.folder, 'lock.txt'), 'utf8')
  while (!(await holder()).startsWith(`process ${child.pid} `)) await setImmediate()
  child.kill('SIGINT')

  t.equal(await ended, 130)
  t.equal(lines.at(-1), 'spark-stage-server: stopped before the end; nothing was changed')
})

t.test(
  'copy ends with 130 after Ctrl-C; then no server takes the copy, and the same command ends it',
  async t => {
    const store = await makeStore(t)
    const data = join(store.folder, 'bundles', store.bundleId, '0/data/0')
    const manifest = `bundles/${store.bundleId}/0/manifest.json`
    const whole = await readFile(data)
    const text = await readFile(join(store.folder, manifest), 'utf8')
    const { entries } = JSON.parse(text)
    const sizeBytes = 1024 * GiB
    await truncate(data, sizeBytes)
    await store.change(manifest, { entries: [{ ...entries[0], sizeBytes }, entries[1]] })
    const target = `${store.folder}-2`
    const args = ['copy', '--from', pathToFileURL(store.folder).href, '--to', pathToFileURL(target).href]

    const { child, lines, ended } = start(t, {}, args)
    const holder = () => readFile(join(target, 'copy.json'), 'utf8').catch(() => '')
    while ((await holder()) === '') await setImmediate()
    child.kill('SIGINT')

    t.equal(await ended, 130)
    t.match(
      lines.at(-1),
      /^spark-stage-server: stopped before the end; the same command goes on with the copy/
    )
    const env = { SPARK_STAGE_UPLOAD_AUTH: 'none', SPARK_STAGE_STORE: pathToFileURL(target).href }
    const server = start(t, env)
    t.equal(await server.ended, 2)
    t.match(server.lines, [
      /^spark-stage-server: the store is an unfinished copy of file:.*: end it by the same /
    ])
    await writeFile(data, whole)
    await writeFile(join(store.folder, manifest), text)
    const again = start(t, {}, args)
    t.equal(await again.ended, 0)
    t.match(again.lines.join('\n'), /^findings {3}damaged 0, orphan 0, unmarked 0$/m)
    await addressOf(start(t, env))
  }
)

t.test('copy ends with 2 when it is not told of two stores', async t => {
  const one = start(t, {}, ['copy', '--from', 'file:///a'])
  const other = start(t, {}, ['copy', '--from', 'file:///a', '--to', 'ftp://b'])

  t.equal(await one.ended, 2)
  t.strictSame(one.lines, ['spark-stage-server: expected copy --from URL --to URL, found something else'])
  t.equal(await other.ended, 2)
  t.match(other.lines, [/^spark-stage-server: --to: expected file:\/\/\/path, or s3:/])
})

t.test('a server whose address is taken ends with 2, and leaves its store to the next', async t => {
  const home = t.testdir()
  const env = (name: string) => ({
    SPARK_STAGE_UPLOAD_AUTH: 'none',
    SPARK_STAGE_STORE: pathToFileURL(join(home, name)).href
  })
  const first = start(t, env('first'))
  const { port } = new URL(await addressOf(first))

  const second = start(t, { ...env('second'), SPARK_STAGE_PORT: port })
  t.equal(await second.ended, 2)
  t.match(second.lines.join('\n'), /EADDRINUSE/)
  await addressOf(start(t, env('second')))
})
