import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { EventFields } from '../../../init-container/fetch-bundle.ts'
import { fetchForkFiles } from '../../../init-container/fork/fetch-fork-files.ts'
import { type ForkOptions, parseForkOptions } from '../../../init-container/fork/fork-options.ts'
import { realSurroundings } from '../../../init-container/surroundings.ts'
import { forkKeys } from '../../../shared/fork-keys.ts'
import { MiB } from '../../../shared/units.ts'
import { temporaryFolder } from '../fetching.ts'
import { archiveOf } from './archives.ts'
import { fakeWeb } from './fake-web.ts'

const secret = 'c909a666-V5yLBMquapP/saR7OROUQL+l0mWDzI8iwtg=='

/** What an error must say. */
const failing = <F>(failure: F) => ({ message: /./, failure })

/** A run of the fork's properties file against a web server that answers as one likes. */
async function forkRun(t: Test, listener: RequestListener, changes: Partial<ForkOptions> = {}) {
  const home = temporaryFolder(t)
  const url = await fakeWeb(t, listener)
  await writeFile(join(home, 'secret'), secret)
  const text = [
    `${forkKeys.server}=${url}`,
    `${forkKeys.jarsId}=jars-id`,
    `${forkKeys.jarsSecretFile}=${home}/secret`,
    `${forkKeys.jarsFolder}=${home}/jars`,
    `${forkKeys.filesFolder}=${home}/files`,
    `${forkKeys.remoteFiles}=${url}/remote/data.bin?version=2`
  ].join('\n')
  const options = { ...parseForkOptions(text), ...changes }
  const events: (readonly [sentence: string, fields: EventFields])[] = []
  const report = {
    event: (_level: string, sentence: string, fields: EventFields = {}) =>
      void events.push([sentence, fields]),
    progress: () => {}
  }
  const stop = new AbortController()
  const surroundings = { ...realSurroundings, sleep: async () => {} }
  const run = () => fetchForkFiles(options, report, stop.signal, surroundings)
  const tree = async () => (await readdir(home, { recursive: true })).sort()
  return { home, options, run, tree, events, stop, surroundings }
}

const archive = archiveOf([
  { path: 'a.jar', content: 'a' },
  { path: 'lib/', type: 'Directory' },
  { path: 'lib/run.sh', content: 'b', mode: 0o700 }
])
const everything = ['files', 'files/data.bin', 'jars', 'jars/a.jar', 'jars/lib', 'jars/lib/run.sh', 'secret']

/** Answers the two requests of {@link forkRun} as they should be. */
const honest: RequestListener = (request, response) => {
  if (request.url?.startsWith('/remote/')) response.end('remote')
  else response.end(archive)
}

t.test('archives and remote files are laid out, and every UID may read them', async t => {
  const asked: unknown[] = []
  const { home, run, tree } = await forkRun(t, (request, response) => {
    asked.push([request.url, request.headers.authorization])
    honest(request, response)
  })

  const summary = await run()

  t.match(summary, { fileCount: 3, sizeBytes: 8 })
  t.same(await tree(), everything)
  t.same(asked.sort(), [
    ['/api/v0/resources/jars-id', secret],
    ['/remote/data.bin?version=2', undefined]
  ])
  for (const [path, mode] of [
    ['jars', 0o755],
    ['jars/a.jar', 0o644],
    ['jars/lib', 0o755],
    ['jars/lib/run.sh', 0o755],
    ['files/data.bin', 0o644]
  ] as const) {
    t.equal((await stat(join(home, path))).mode & 0o7777, mode, path)
  }
})

t.test('run again over what a killed run left, it lays everything out again', async t => {
  const { home, run, tree } = await forkRun(t, honest)
  await mkdir(join(home, 'jars/.partial-0/unpacked'), { recursive: true })
  await mkdir(join(home, 'jars/lib'))
  await writeFile(join(home, 'jars/a.jar'), 'old')

  await run()
  await run()

  t.same(await tree(), everything)
  t.equal(await readFile(join(home, 'jars/a.jar'), 'utf8'), 'a')
})

t.test('a link in the place of a folder is refused, and nothing goes through it', async t => {
  const { home, run } = await forkRun(t, honest)
  await mkdir(join(home, 'elsewhere'))
  await mkdir(join(home, 'jars'))
  await symlink(join(home, 'elsewhere'), join(home, 'jars/lib'))

  await t.rejects(run(), failing({ exit: 'usage', subject: join(home, 'jars/lib'), found: 'something else' }))

  t.same(await readdir(join(home, 'elsewhere')), [])
})

t.test('a link in the place of a file is replaced, not followed', async t => {
  const { home, run } = await forkRun(t, honest)
  await mkdir(join(home, 'jars'))
  await writeFile(join(home, 'precious'), 'precious')
  await symlink(join(home, 'precious'), join(home, 'jars/a.jar'))

  await run()

  t.ok((await lstat(join(home, 'jars/a.jar'))).isFile())
  t.equal(await readFile(join(home, 'precious'), 'utf8'), 'precious')
})

t.test('a hostile archive leaves nothing, and the cause is told', async t => {
  const hostile = archiveOf([
    { path: 'a', content: 'a' },
    { path: '../escaped', content: 'x' }
  ])
  const { run, tree } = await forkRun(t, (request, response) => {
    if (request.url?.startsWith('/remote/') === false) response.end(hostile)
  })

  await t.rejects(run(), failing({ exit: 'damaged', subject: 'jars.tgz', found: '"../escaped"' }))

  t.same(await tree(), ['files', 'jars', 'secret'])
})

for (const [status, exit] of [
  [401, 'refused'],
  [404, 'gone'],
  [410, 'gone']
] as const) {
  t.test(`status ${status} ends it at once: ${exit}`, async t => {
    const { run, tree } = await forkRun(t, (_request, response) => {
      response.writeHead(status).end(`{"message":"not with ${secret}"}`)
    })

    await t.rejects(run(), failing({ exit }))

    t.same(await tree(), ['files', 'jars', 'secret'])
  })
}

t.test('a server that is busy, or cuts the answer, is asked again from the start', async t => {
  let askedCount = 0
  const { home, run, events } = await forkRun(t, (request, response) => {
    if (request.url?.startsWith('/remote/')) return response.end('remote')
    askedCount += 1
    if (askedCount === 1) return response.writeHead(503).end()
    if (request.headers.range !== undefined) throw new Error('a part of what has no tag')
    if (askedCount > 2) return response.end(archive)
    response.writeHead(200, { 'content-length': archive.length })
    return response.write(archive.subarray(0, 100), () => response.destroy())
  })

  await run()

  t.equal(askedCount, 3)
  t.equal(await readFile(join(home, 'jars/a.jar'), 'utf8'), 'a')
  t.equal(events.filter(([sentence]) => sentence === 'asking again').length, 2)
})

t.test('an answer that does not say its length is taken', async t => {
  const { run, tree } = await forkRun(t, (request, response) => {
    response.flushHeaders()
    honest(request, response)
  })

  await run()

  t.same(await tree(), everything)
})

/** A remote file of 3 MiB whose first answer is cut, and who then answers as `then` says. */
async function cutOnce(
  t: Test,
  etag: string,
  then: (range: string | undefined) => readonly [number, string]
) {
  const content = Buffer.alloc(3 * MiB, 'x')
  const ranges: (string | undefined)[] = []
  const { home, run } = await forkRun(t, (request, response) => {
    if (request.url?.startsWith('/remote/') === false) return response.end(archive)
    const { range } = request.headers
    ranges.push(range)
    if (ranges.length === 1) {
      response.writeHead(200, { etag, 'content-length': content.length })
      return response.write(content.subarray(0, 2 * MiB), () => response.destroy())
    }
    const from = Number(/\d+/.exec(range ?? '0')?.[0])
    const [status, contentRange] = then(range)
    const body = content.subarray(status === 206 ? from : 0)
    response.writeHead(status, {
      etag,
      'content-length': body.length,
      ...(contentRange === '' ? {} : { 'content-range': contentRange })
    })
    return response.end(body)
  })
  await run()
  t.ok((await readFile(join(home, 'files/data.bin'))).equals(content))
  return ranges
}

t.test('a remote file with a strong tag goes on where it was cut', async t => {
  const ranges = await cutOnce(t, '"v1"', range => [
    206,
    `bytes ${/\d+/.exec(range ?? '')?.[0]}-${3 * MiB - 1}/${3 * MiB}`
  ])

  t.equal(ranges.length, 2)
  t.match(ranges[1], /^bytes=\d+-$/)
})

t.test('a remote file with a weak tag begins anew', async t => {
  t.same(await cutOnce(t, 'W/"v1"', () => [200, '']), [undefined, undefined])
})

t.test('a remote file that has changed meanwhile begins anew', async t => {
  t.equal((await cutOnce(t, '"v1"', () => [200, ''])).length, 2)
})

t.test('a remote file whose server sends another part begins anew', async t => {
  const ranges = await cutOnce(t, '"v1"', range => (range === undefined ? [200, ''] : [206, 'bytes 0-1/2']))

  t.equal(ranges.length, 3)
  t.equal(ranges[2], undefined)
})

t.test('a remote file behind a redirect is followed, an archive is not', async t => {
  const { home, run } = await forkRun(t, (request, response) => {
    if (request.url?.startsWith('/remote/')) response.writeHead(302, { location: '/elsewhere' }).end()
    else honest(request, response)
  })
  await run()
  t.equal((await readFile(join(home, 'files/data.bin'))).equals(archive), true)

  const { run: runArchive } = await forkRun(t, (request, response) => {
    if (request.url?.startsWith('/api/')) response.writeHead(302, { location: '/elsewhere' }).end()
    else honest(request, response)
  })
  await t.rejects(runArchive(), failing({ exit: 'refused', subject: 'jars.tgz' }))
})

t.test('what is announced as larger than the free space is not downloaded', async t => {
  const { run, surroundings, tree } = await forkRun(t, honest)
  surroundings.freeBytes = async () => 3

  await t.rejects(run(), failing({ exit: 'noSpace' }))

  t.same(await tree(), ['files', 'jars', 'secret'])
})

t.test('the timeout ends everything, and tells the last trouble', async t => {
  const busy: RequestListener = (request, response) => {
    if (request.url?.startsWith('/remote/')) response.writeHead(503).end()
  }
  const { run, tree } = await forkRun(t, busy, { timeoutMs: 300 })

  await t.rejects(
    run(),
    failing({
      exit: 'gaveUp',
      subject: 'mountdependencies.timeout',
      expected: 'everything within 0.3 seconds',
      found: /^data\.bin: status 503/
    })
  )

  t.same(await tree(), ['files', 'jars', 'secret'])
})

t.test('a signal ends it with its reason and leaves nothing half done', async t => {
  const reason = new Error('stop')
  const { run, tree, stop } = await forkRun(t, () => stop.abort(reason))

  await t.rejects(run(), reason)

  t.same(await tree(), ['files', 'jars', 'secret'])
})

t.test('a folder that cannot be one is a usage error', async t => {
  const { home, run } = await forkRun(t, honest)
  await writeFile(join(home, 'jars'), 'a file')

  await t.rejects(run(), failing({ exit: 'usage' }))
})

t.test('a server that is not this machine gets the secret, and that is said', async t => {
  const { options, events, run } = await forkRun(t, honest)
  // To reach this machine by an address that is no loopback.
  for (const { resource } of options.folders) if (resource !== undefined) resource.server.hostname = '0.0.0.0'

  await run()

  t.match(events[0], ['secrets cross the network in clear', { server: /^0\.0\.0\.0:/ }])
})

t.test('a file that asks for nothing is done at once', async t => {
  const { run } = await forkRun(t, honest, { folders: [] })

  t.match(await run(), { fileCount: 0, sizeBytes: 0 })
})
