import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get, type IncomingMessage, request } from 'node:http'
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
    const download = get(url, { headers: { authorization: `Bearer ${staged.token}` } })
    const [answer] = (await once(download, 'response')) as [IncomingMessage]

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

/** Only its head: a server that refuses closes, and whoever still writes may never read why. */
async function postUpload(url: string, credentialFile: string) {
  const authorization = `Bearer ${(await readFile(credentialFile, 'utf8')).trim()}`
  const headers = { authorization, 'content-type': 'multipart/form-data; boundary=B', 'content-length': 1000 }
  const asked = request(url + bundlesPath(namespace), { method: 'POST', headers, timeout: 10_000 })
  asked.flushHeaders()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const body = JSON.parse(Buffer.concat(await answer.toArray()).toString())
  asked.destroy()
  return { status: answer.statusCode, retryAfter: answer.headers['retry-after'], body }
}
