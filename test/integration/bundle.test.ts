import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { glob, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { imageArchitecture } from '../../build/image-architecture.ts'
import { exitCodes } from '../../shared/exit-codes.ts'
import { KiB, MiB } from '../../shared/units.ts'
import { outsideFolder } from './helpers/outside-folder.ts'
import { type Command, repositoryPath, startStage } from './helpers/programs.ts'
import { startProcess } from './helpers/start-process.ts'

const executableFolder = `executable/${imageArchitecture(process.arch)}`

/** Runs the build as `npm run bundle` does. @returns the SHA-256 of each file it made, by its path in the folder */
async function build(t: Test, into: string): Promise<Readonly<Record<string, string>>> {
  const ending = await startProcess(t, process.execPath, [repositoryPath('build/main.ts'), into]).ended
  if (ending.code !== 0) throw new Error(`the build ended with ${ending.code}: ${ending.stderr}`)
  const files = await Array.fromAsync(glob('**', { cwd: into, withFileTypes: true }))
  const paths = files.filter(file => file.isFile()).map(file => join(file.parentPath, file.name))
  const digests = paths.map(async path => [path.slice(into.length + 1), await sha256(path)] as const)
  return Object.fromEntries(await Promise.all(digests))
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

t.test('what is published is built from the sources alone', async t => {
  const home = await outsideFolder(t)
  const dist = join(home, 'dist')
  const digests = await build(t, dist)
  const text = (path: string) => readFile(join(dist, path), 'utf8')

  await t.test('built again elsewhere it is the same, byte for byte', async t => {
    t.same(await build(t, join(home, 'again')), digests)
    t.ok(Object.keys(digests).length > 10)
  })

  await t.test('each program stays small: a dependency that slips in is seen here', async t => {
    const limits = {
      'package/spark-stage.mjs': 0.2 * MiB,
      'package/spark-stage-init.mjs': 0.1 * MiB,
      'package/spark-stage-server.mjs': 0.1 * MiB,
      [`${executableFolder}/spark-stage-init`]: 130 * MiB
    }
    for (const [path, limitBytes] of Object.entries(limits)) {
      const { size, mode } = await stat(join(dist, path))

      t.ok(size <= limitBytes, `${path} has ${size} bytes, at most ${limitBytes}`)
      t.equal(mode & 0o111, 0o111, `${path} can be executed`)
    }
  })

  await t.test('the package depends on Node alone, and runs nothing when it is installed', async t => {
    const { version, engines } = JSON.parse(await readFile(repositoryPath('package.json'), 'utf8'))

    const manifest = JSON.parse(await text('package/package.json'))

    t.same(Object.keys(manifest), ['name', 'version', 'description', 'license', 'type', 'engines', 'bin'])
    t.match(manifest, { name: 'spark-stage', version, engines })
    for (const path of Object.values(manifest.bin)) t.match(await text(`package/${path}`), /^#!.*node\n/)
  })

  await t.test('no link in its documents is dead', async t => {
    const links = [...(await text('package/README.md')).matchAll(/\]\((?!https?:)([^)#]+)/g)]

    for (const [, link = ''] of links) await t.resolves(stat(join(dist, 'package', link)), link)
    t.ok(links.length > 5)
  })

  await t.test('the license of everything inside goes along', async t => {
    const inPackage = await text('package/THIRD-PARTY-LICENSES')
    const inExecutable = await text(`${executableFolder}/THIRD-PARTY-LICENSES`)

    for (const name of ['fastify', 'typebox', 'commander', 'undici']) {
      t.match(inPackage, new RegExp(`^${name} \\d.* \\((MIT|ISC)\\)$`, 'm'))
    }
    t.match(inExecutable, new RegExp(`^Node.js ${process.versions.node}\n\nNode.js is licensed`))
    t.match(inExecutable, /^undici \d/m)
    t.notMatch(inExecutable, /^fastify \d/m)
    t.notMatch(inPackage + inExecutable, /^(esbuild|postject|tap) \d/m)
  })

  await t.test('the programs start fast', async t => {
    const bundle: Command = [process.execPath, join(dist, 'package/spark-stage-server.mjs')]
    const source: Command = [process.execPath, repositoryPath('server/main.ts')]
    const executable: Command = [join(dist, executableFolder, 'spark-stage-init')]
    const runs = { node: [], bundle: [], source: [], executable: [] } as {
      [name in 'node' | 'bundle' | 'source' | 'executable']: number[]
    }
    for (let run = 0; run < 5; run++) {
      runs.node.push(await emptyRunMs(t))
      runs.bundle.push(await untilReadyMs(t, home, bundle))
      runs.source.push(await untilReadyMs(t, home, source))
      runs.executable.push(await untilFirstRequestMs(t, home, executable))
    }

    const nodeMs = median(runs.node)
    const readyMs = median(runs.bundle)
    const sourceMs = median(runs.source)
    const requestMs = median(runs.executable)
    t.comment(`an empty run of Node takes ${nodeMs} ms, the server is ready after ${readyMs} ms,`)
    t.comment(`its sources after ${sourceMs} ms, and the init container asks after ${requestMs} ms`)
    t.ok(readyMs <= 14 * nodeMs, 'the server is ready within 14 empty runs of Node')
    t.ok(readyMs <= 0.8 * sourceMs, 'and well before its sources would be')
    t.ok(requestMs <= 6 * nodeMs, 'the init container has asked its server within 6')
  })

  await t.test('the server idles in at most 100 MiB', async t => {
    const server = await startStage(t, {
      home,
      command: [process.execPath, join(dist, 'package/spark-stage-server.mjs')]
    })
    await fetch(`${server.url}/readyz`)

    const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8')

    const idleBytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * KiB
    t.comment(`${Math.round(idleBytes / MiB)} MiB`)
    t.ok(idleBytes <= 100 * MiB)
  })
})

/** How long Node takes to do nothing. */
async function emptyRunMs(t: Test): Promise<number> {
  const startedMs = performance.now()
  await startProcess(t, process.execPath, ['-e', '0']).ended
  return Math.round(performance.now() - startedMs)
}

/** How long a server takes until it listens. */
async function untilReadyMs(t: Test, home: string, command: Command): Promise<number> {
  const startedMs = performance.now()
  const server = await startStage(t, { home, command })
  const tookMs = Math.round(performance.now() - startedMs)
  await server.kill('SIGKILL')
  return tookMs
}

/** How long the init container takes until its first request has come. */
async function untilFirstRequestMs(t: Test, home: string, [command, ...args]: Command): Promise<number> {
  const tokenFile = join(home, 'token')
  await writeFile(tokenFile, 'token')
  let cameMs = Number.NaN
  const server = createServer((_request, response) => {
    cameMs = performance.now()
    response.writeHead(401).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const from = ['--server', `http://127.0.0.1:${port}`, '--bundle', `team-a/${'0'.repeat(32)}`]
  const to = ['--token-file', tokenFile, '--into', join(home, 'into'), '--termination-log', join(home, 'log')]
  const startedMs = performance.now()
  const { code } = await startProcess(t, command, [...args, ...from, ...to]).ended
  server.close()
  t.equal(code, exitCodes.refused.code)
  return Math.round(cameMs - startedMs)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
