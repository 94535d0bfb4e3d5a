import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { get } from '../../client/commands/get.ts'
import { put } from '../../client/commands/put.ts'
import type { Selection } from '../../client/local-files.ts'
import { readGetOptions, readPutOptions } from '../../client/options.ts'
import { bundlePath } from '../../shared/paths.ts'
import { openReport } from '../../shared/progress.ts'
import { credential, otherCredential, startServer } from '../helpers/start-server.ts'
import { runClient } from './run-client.ts'

const never = new AbortController().signal

/** A real server that knows the credential in the file `upload`, and a folder to stage from. */
async function prepare(t: Test, contents: Readonly<Record<string, string>>) {
  const { url } = await startServer(t)
  const cwd = t.testdir()
  for (const [path, text] of Object.entries({ ...contents, upload: credential, foreign: otherCredential })) {
    await mkdir(dirname(join(cwd, path)), { recursive: true })
    await writeFile(join(cwd, path), text)
  }
  const report = await openReport('quiet', process.stderr)
  const common = { server: url, namespace: 'team-a', 'give-up-seconds': '5' }
  return {
    url,
    cwd,
    /** Stages as data files, or what `kind:` says; the token goes to the file `token`. */
    put: (...texts: readonly string[]) => {
      const flags = { ...common, 'upload-token-file': join(cwd, 'upload'), 'token-out': join(cwd, 'token') }
      return put(
        readPutOptions(
          flags,
          texts.map(text => select(cwd, text)),
          {}
        ),
        report,
        never
      )
    },
    get: (bundle: string) => {
      const flags = { ...common, bundle, 'token-file': join(cwd, 'token'), into: join(cwd, 'into') }
      return get(readGetOptions(flags, {}), report, never)
    }
  }
}

function select(cwd: string, text: string): Selection {
  const [kind, path] = text.includes(':') ? text.split(':') : ['files', text]
  return { kind: kind as Selection['kind'], flag: `--${kind}`, text: join(cwd, path ?? '') }
}

t.test('what put stages is what get lays out', async t => {
  const contents = { 'app.py': 'print(1)', 'libs/b.jar': 'bb', 'libs/a.jar': 'a', tool: '#!', empty: '' }
  const { cwd, put, get } = await prepare(t, contents)
  await chmod(join(cwd, 'tool'), 0o755)

  const { bundle } = await put('app:app.py', 'jars:libs/*.jar', 'tool#runner', 'empty')
  const { files } = await get(bundle)

  t.strictSame(
    files.map(({ path }) => path),
    ['app/app.py', 'files/empty', 'files/tool', 'jars/a.jar', 'jars/b.jar']
  )
  t.equal(await readFile(join(cwd, 'into/jars/b.jar'), 'utf8'), 'bb')
  t.equal((await stat(join(cwd, 'into/files/tool'))).mode & 0o111, 0o111)
})

t.test('the same again uploads nothing, a changed file only itself', async t => {
  const { cwd, put } = await prepare(t, { one: 'first', two: 'second' })
  await put('one', 'two')

  const again = await put('one', 'two')
  await writeFile(join(cwd, 'two'), 'changed')
  const changed = await put('one', 'two')

  t.match(again, { uploadedBytes: 0, totalBytes: 11 })
  t.match(changed, { uploadedBytes: 7, totalBytes: 12 })
})

t.test('two different files of one name are refused with what to do', async t => {
  const { put } = await prepare(t, { 'x/conf.json': '1', 'y/conf.json': '2' })

  await t.rejects(put('x/conf.json', 'y/conf.json'), {
    exitCause: 'refused',
    message: /conf\.json.*\(STAGE_ERR_SAME_NAME, request .+\)[\s\S]*what to do: Rename one of them/
  })
})

t.test('two jars of one name are both laid out', async t => {
  const { put, get } = await prepare(t, { 'x/util.jar': '1', 'y/util.jar': '2' })

  const { bundle } = await put('jars:x/util.jar', 'jars:y/util.jar')
  const { files } = await get(bundle)

  t.match(files, [{ path: /^jars\/util-[0-9a-f]{8}\.jar$/ }, { path: 'jars/util.jar' }])
})

t.test('a revoked bundle is gone', async t => {
  const { url, put, get } = await prepare(t, { one: '1' })
  const { bundle, bundleId } = await put('one')

  const headers = { authorization: `Bearer ${credential}` }
  await fetch(new URL(bundlePath('team-a', bundleId), url), { method: 'DELETE', headers })

  await t.rejects(get(bundle), { name: 'ClientError', exitCause: 'gone' })
})

t.test(
  'a foreign credential and the token of another bundle are refused, and no secret is shown',
  async t => {
    const { url, cwd, put } = await prepare(t, { one: '1', two: '2' })
    const common = ['--server', url, '--namespace', 'team-a', '--file', 'one']
    const { bundle } = await put('one')
    await put('two')

    const foreign = await runClient(['put', ...common, '--upload-token-file', 'foreign'], cwd)
    const absent = await runClient(['put', ...common], cwd)
    const args = ['get', '--server', url, '--bundle', bundle, '--token-file', 'token', '--into', 'into']
    const crossed = await runClient(args, cwd)

    t.strictSame([foreign.code, absent.code, crossed.code], [10, 10, 10])
    t.match(foreign.stderr, 'STAGE_ERR_FORBIDDEN')
    t.match(absent.stderr, 'STAGE_ERR_CREDENTIAL')
    const shown = [foreign, absent, crossed].map(({ stdout, stderr }) => stdout + stderr).join('')
    for (const secret of [otherCredential, (await readFile(join(cwd, 'token'), 'utf8')).trim()])
      t.notOk(shown.includes(secret))
  }
)
