import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium } from 'playwright-core'
import t, { type Test } from 'tap'
import { bundlesPath } from '../../shared/paths.ts'
import { storeFiles } from '../helpers/start-server.ts'
import { startStage } from './helpers/programs.ts'
import { testFolder } from './helpers/test-folder.ts'

/** A host name that the browser finds on this machine, as it would find one that is rebound. */
const foreignHost = 'evil.example'

const home = testFolder(t)
const env = { SPARK_STAGE_UPLOAD_AUTH: 'none', SPARK_STAGE_V0: 'true' }
const stage = await startStage(t, { home, env })
const site = await serveSite(t)
const browser = await startBrowser(t)

t.test('a page of another site cannot stage files by a form', async t => {
  await isRefused(t, site, stage.url, bundlesPath('by-form'), postForm)
})

t.test('a page of another site cannot stage files by a script', async t => {
  await isRefused(t, site, stage.url, bundlesPath('by-script'), postByScript)
})

t.test('a page of another site cannot stage files through the door of the fork', async t => {
  await isRefused(t, site, stage.url, '/api/v0/resources/', postByScript)
})

t.test('a page whose host name was rebound to this machine can neither stage nor read', async t => {
  const own = `http://${foreignHost}:${stage.port}`
  await isRefused(t, own, own, bundlesPath('by-rebinding'), postByScript)
  const page = await browser.newPage()
  await page.goto(own)

  const status = await page.evaluate(async path => (await fetch(path)).status, bundlesPath('by-rebinding'))

  t.equal(status, 403, 'though to the browser it is one site, whose answers the page may read')
  t.equal((await fetch(stage.url + bundlesPath('by-rebinding'))).status, 200)
})

t.test('the same bytes are taken from a program that is no browser', async t => {
  const body = new FormData()
  body.append('files', new Blob(['code']), 'evil.py')

  const answer = await fetch(stage.url + bundlesPath('by-program'), { method: 'POST', body })

  t.equal(answer.status, 201)
  t.ok((await storeFiles(stage.store)).some(path => path.startsWith('index/by-program/')))
})

/** Asserts that a post of a page of `from` reaches the server under the origin `to`, is refused and stages nothing. */
async function isRefused(
  t: Test,
  from: string,
  to: string,
  path: string,
  post: (from: string, to: string) => Promise<void>
): Promise<void> {
  const before = await storeFiles(stage.store)

  await post(from, to + path)

  const line = JSON.parse(await stage.line(`"path":"${path}"`))
  t.match(line, { method: 'POST', status: 403, code: 'STAGE_ERR_FOREIGN_SITE' })
  t.strictSame(await storeFiles(stage.store), before)
}

/** What any page can do without a script: a form that a visitor sends, or that sends itself. */
async function postForm(from: string, to: string): Promise<void> {
  const page = await browser.newPage()
  await page.goto(from)
  await page.setContent(
    `<form action="${to}" method="post" enctype="multipart/form-data"><input type="file" name="files"></form>`
  )
  await page.setInputFiles('input', {
    name: 'evil.py',
    mimeType: 'text/x-python',
    buffer: Buffer.from('code')
  })
  await Promise.all([page.waitForNavigation(), page.evaluate('document.forms[0].submit()')])
}

/** A script may send a form anywhere, as long as it does not want to read the answer. */
async function postByScript(from: string, to: string): Promise<void> {
  const page = await browser.newPage()
  await page.goto(from)
  await page.evaluate(async url => {
    const body = new FormData()
    body.append('files', new Blob(['code']), 'evil.py')
    await fetch(url, { method: 'POST', mode: 'no-cors', body })
  }, to)
}

async function startBrowser(t: Test): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // This suite runs as root, where Chromium has no sandbox.
    args: ['--no-sandbox', `--host-resolver-rules=MAP ${foreignHost} 127.0.0.1`]
  })
  t.teardown(() => browser.close())
  return browser
}

/** A web site somewhere else: to a browser another port and another name are another site. */
async function serveSite(t: Test): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<title>a page</title>')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  // A boundary: it listens on a port.
  return `http://${foreignHost}:${(server.address() as AddressInfo).port}`
}
