import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { buildPackage } from '../../build/build-package.ts'
import { outsideFolder } from './helpers/outside-folder.ts'
import {
  type Command,
  fetchInto,
  namespace,
  prepareHome,
  put,
  repositoryPath,
  startStage
} from './helpers/programs.ts'
import { type Ending, startProcess } from './helpers/start-process.ts'

/** The package, installed where nothing of this repository is near. */
interface Installed {
  readonly home: string
  /** What the tarball has in it. */
  readonly files: readonly string[]
  command(name: string): Command
}

async function install(t: Test): Promise<Installed> {
  const home = await outsideFolder(t)
  const elsewhere = join(home, 'elsewhere')
  await buildPackage(join(home, 'package'))
  await mkdir(elsewhere)
  await writeFile(join(elsewhere, 'package.json'), '{"private": true}')
  const packing = await run(t, ['npm', 'pack', '--json', '--pack-destination', home], join(home, 'package'))
  const [{ filename, files }] = JSON.parse(packing.stdout)
  await run(t, ['npm', 'install', '--offline', '--no-audit', '--no-fund', join(home, filename)], elsewhere)
  return {
    home,
    files: files.map(({ path }: { readonly path: string }) => path),
    command: name => [join(elsewhere, 'node_modules/.bin', name)]
  }
}

/** Runs a command to its end. @throws Error unless that is 0 */
async function run(
  t: Test,
  [command, ...args]: Command,
  cwd: string,
  more: Readonly<Record<string, string>> = {}
): Promise<Ending> {
  // The programs ask for "node": the one that runs this.
  const PATH = `${dirname(process.execPath)}:${process.env['PATH']}`
  const ending = await startProcess(t, command, args, { cwd, env: { PATH, ...more } }).ended
  if (ending.code !== 0) throw new Error(`${command} ${args} ended with ${ending.code}: ${ending.stderr}`)
  return ending
}

t.test('the npm package needs nothing but Node', async t => {
  const { home, files, command } = await install(t)
  const programs = ['spark-stage', 'spark-stage-init', 'spark-stage-server']

  await t.test('it brings three programs, their licenses and the documents, and no sources', async t => {
    t.same(
      files.filter(path => !/^(docs|parts)\//.test(path)),
      [
        'CHANGELOG.md',
        'CONTRIBUTING.md',
        'LICENSE',
        'README.md',
        'THIRD-PARTY-LICENSES',
        'package.json',
        'spark-stage-init.mjs',
        'spark-stage-server.mjs',
        'spark-stage.mjs'
      ]
    )
    t.ok(files.every(path => /\.(md|mjs|json)$|LICENSES?$/.test(path)))
    const installed = await readdir(join(home, 'elsewhere/node_modules'))
    t.same(installed.sort(), ['.bin', '.package-lock.json', 'spark-stage'])
  })

  await t.test('each program tells its version', async t => {
    const { version } = JSON.parse(await readFile(repositoryPath('package.json'), 'utf8'))

    for (const name of programs) {
      const { stdout, stderr } = await run(t, [...command(name), '--version'], home)

      t.same([stdout, stderr], [`${version}\n`, ''], name)
    }
  })

  await t.test('server, client and init container do all their work', async t => {
    const job = join(home, 'job.py')
    await writeFile(job, 'print(1)\n')
    const stage = await startStage(t, { home, command: command('spark-stage-server') })
    const { url, credentialFile } = stage
    const tokenFile = join(home, 'token')

    const files = ['--app', job]
    const staged = await put(t, { ...stage, command: command('spark-stage'), files, tokenFile })
    const fetched = await fetchInto(t, {
      url,
      staged,
      into: join(home, 'into'),
      command: command('spark-stage-init')
    })

    t.equal(fetched.stderr, '')
    t.equal(await readFile(join(home, 'into/app/job.py'), 'utf8'), 'print(1)\n')

    const as = ['--server', url, '--upload-token-file', credentialFile]
    for (const args of [
      ['get', '--server', url, '--bundle', staged.bundle, '--token-file', tokenFile, '--into', 'got'],
      ['ls', ...as, '--namespace', namespace],
      ['renew', ...as, staged.bundle],
      ['token', ...as, staged.bundle, '--token-out', 'again'],
      ['doctor', ...as, '--namespace', namespace],
      ['rm', ...as, staged.bundle]
    ] as const) {
      const { stdout } = await run(t, [...command('spark-stage'), ...args], home)

      t.ok(stdout.length > 0, args[0])
    }
    t.equal(await readFile(join(home, 'got/app/job.py'), 'utf8'), 'print(1)\n')
    t.equal((await uploadForm(url, credentialFile)).status, 201)
    for (const path of ['metrics', 'openapi.json']) t.equal((await fetch(`${url}/${path}`)).status, 200, path)
    t.equal((await stage.kill('SIGTERM')).code, 0)

    const { env } = await prepareHome({ home })
    await run(t, [...command('spark-stage-server'), 'verify'], home, env)
  })
})

/** What `curl -F` sends. */
async function uploadForm(url: string, credentialFile: string): Promise<Response> {
  const body = new FormData()
  body.set('files', new Blob(['{}']), 'conf.json')
  const authorization = `Bearer ${(await readFile(credentialFile, 'utf8')).trim()}`
  const init = { method: 'POST', body, headers: { authorization } }
  return fetch(`${url}/api/v1/namespaces/${namespace}/bundles`, init)
}
