import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import t from 'tap'
import { bundlesPath, entryPath } from '../../shared/paths.ts'
import { namespace, startRefusedStage, startStage } from './helpers/programs.ts'
import { stageFile } from './helpers/staged-file.ts'
import { testFolder } from './helpers/test-folder.ts'

t.test(
  'after SIGTERM a running download completes, uploads are refused, and the server ends with 0',
  async t => {
    const { stage, staged, digests } = await stageFile(t)
    const url = stage.url + entryPath(namespace, staged.bundleId, 'files/data.bin')
    const request = get(url, { headers: { authorization: `Bearer ${staged.token}` } })
    const [answer] = (await once(request, 'response')) as [IncomingMessage]

    stage.child.kill('SIGTERM')
    await stage.line('server stopping')
    const refused = await postUpload(stage.url, stage.credentialFile)
    const digest = createHash('sha256')
    for await (const chunk of answer) digest.update(chunk)
    const { code, stdout } = await stage.ended

    t.match(refused, { status: 503, body: { code: 'STAGE_ERR_STOPPING' } })
    t.ok(Number(refused.retryAfter) > 0)
    t.equal(digest.digest('hex'), digests['data.bin'])
    t.equal(code, 0)
    t.match(stdout, /"msg":"server stopped"/)
  }
)

t.test('one store has one server, until that server is gone, however it went', async t => {
  const home = testFolder(t)
  const first = await startStage(t, { home })

  const second = await startRefusedStage(t, { home })

  t.equal(second.code, 2)
  t.match(second.stderr, new RegExp(`in use by process ${first.child.pid} `))
  t.notMatch(second.stdout, /server listening/)
  t.equal((await fetch(`${first.url}/readyz`)).status, 200)

  await t.test('a killed one leaves the store free at once', async t => {
    await first.kill('SIGKILL')

    const third = await startStage(t, { home })

    t.equal((await fetch(`${third.url}/readyz`)).status, 200)
    t.equal((await third.kill('SIGTERM')).code, 0)
  })
})

async function postUpload(url: string, credentialFile: string) {
  const authorization = `Bearer ${(await readFile(credentialFile, 'utf8')).trim()}`
  const body = new FormData()
  body.append('files', new Blob(['late']), 'late.txt')
  const options = { method: 'POST', headers: { authorization }, body, signal: AbortSignal.timeout(10_000) }
  const answer = await fetch(url + bundlesPath(namespace), options)
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: await answer.json() }
}
