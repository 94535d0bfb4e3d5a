import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import type { Test } from 'tap'
import { bundlePath, bundlesPath, entryPath } from '../../../shared/paths.ts'
import { secondMs } from '../../../shared/units.ts'
import { namespace, type StageProcess, startStage } from './programs.ts'
import { keepSecret } from './secrets.ts'
import { testFolder } from './test-folder.ts'

/** How a new key reaches two servers. */
export interface Rotation {
  /** So much later the second server learns of it. */
  readonly apartSeconds: number
  /** Longer than that: with less, the second server is asked with tokens of a key that it does not know. */
  readonly activationSeconds: number
}

const content = randomBytes(100_000)

/** Gives two servers under load a new key, one after the other: no download may be refused. */
export async function rotateUnderLoad(t: Test, { apartSeconds, activationSeconds }: Rotation): Promise<void> {
  const home = testFolder(t)
  const servers = await startBoth(t, home, activationSeconds)
  const bundleId = await stageOnBoth(servers)
  const newKey = randomBytes(32)
  for (const encoding of ['hex', 'base64', 'base64url'] as const) keepSecret(newKey.toString(encoding))
  const signedBy = new Map<string, Set<string>>(servers.map(({ url }) => [url, new Set()]))
  let downloadCount = 0
  let addedCount = 0
  const refusals: string[] = []
  const startedMs = performance.now()

  // Each of them signs, and the other is asked with that token.
  const load = async (signer: StageProcess, reader: StageProcess) => {
    while ([...signedBy.values()].some(kids => !kids.has('key-2'))) {
      const token = await sign(signer, bundleId)
      const { kid = '' } = jwt.decode(token, { complete: true })?.header ?? {}
      signedBy.get(signer.url)?.add(kid)
      const answer = await download(reader, bundleId, token)
      downloadCount += 1
      if (answer !== 'right') refusals.push(`${kid} of ${signer.url} by ${reader.url}: ${answer}`)
    }
  }
  const addKeys = async () => {
    for (const [index] of servers.entries()) {
      await writeFile(join(home, `server-${index}`, 'keys', 'key-2'), newKey)
      addedCount += 1
      if (index === 0) await new Promise(resolve => setTimeout(resolve, apartSeconds * secondMs))
    }
  }
  const [first, second] = servers
  await Promise.all([addKeys(), load(first, second), load(second, first), load(first, first)])

  const seconds = Math.round((performance.now() - startedMs) / secondMs)
  t.comment(`${downloadCount} downloads in ${seconds} s`)
  t.same(refusals, [])
  t.equal(addedCount, 2)
  t.ok(seconds >= apartSeconds)
  t.ok(downloadCount > 100)
  for (const kids of signedBy.values()) t.same([...kids], ['key-1', 'key-2'])

  await t.test('and whoever signs with a key that the other never gets is told to come again', async t => {
    await writeFile(join(home, 'server-0', 'keys', 'key-3'), randomBytes(32))
    const token = jwt.sign(jwt.decode(await sign(first, bundleId)) as object, newKey, { keyid: 'key-3' })
    keepSecret(token)

    t.equal(await download(second, bundleId, token), '503 STAGE_ERR_KEY_UNKNOWN')
  })
}

/** Two servers with stores and key directories of their own that begin with one and the same key and credential. */
async function startBoth(
  t: Test,
  home: string,
  activationSeconds: number
): Promise<readonly [StageProcess, StageProcess]> {
  const env = { SPARK_STAGE_KEY_ACTIVATION_SECONDS: String(activationSeconds) }
  const first = await startStage(t, { home: join(home, 'server-0'), env })
  const second = await startStage(t, {
    home: join(home, 'server-1'),
    env: { ...env, SPARK_STAGE_UPLOAD_TOKENS_FILE: join(home, 'server-0', 'tokens.json') }
  })
  await second.kill('SIGTERM')
  const key = await readFile(join(home, 'server-0', 'keys', 'key-1'))
  await writeFile(join(home, 'server-1', 'keys', 'key-1'), key)
  const again = await startStage(t, {
    home: join(home, 'server-1'),
    env: { ...env, SPARK_STAGE_UPLOAD_TOKENS_FILE: join(home, 'server-0', 'tokens.json') }
  })
  return [first, { ...again, credentialFile: first.credentialFile }]
}

/** One bundle on both: the id follows from namespace, principal and key, so a token opens it on either. */
async function stageOnBoth(servers: readonly StageProcess[]): Promise<string> {
  const ids = await Promise.all(servers.map(stageFile))
  if (ids[0] === undefined || ids[0] !== ids[1]) throw new Error(`two bundles: ${ids}`)
  return ids[0]
}

export async function stageFile(stage: StageProcess): Promise<string> {
  const body = new FormData()
  body.append('files', new Blob([content]), 'data.bin')
  const answer = await ask(stage, 'POST', bundlesPath(namespace), { body, key: 'one-and-the-same' })
  const { bundleId, token } = (await answer.json()) as { bundleId: string; token: string }
  keepSecret(token)
  return bundleId
}

export async function sign(stage: StageProcess, bundleId: string): Promise<string> {
  const answer = await ask(stage, 'POST', `${bundlePath(namespace, bundleId)}/token`)
  const { token } = (await answer.json()) as { token: string }
  keepSecret(token)
  return token
}

export async function ask(
  { url, credentialFile }: StageProcess,
  method: string,
  path: string,
  { body, key }: { readonly body?: FormData; readonly key?: string } = {}
): Promise<Response> {
  const authorization = `Bearer ${(await readFile(credentialFile, 'utf8')).trim()}`
  const headers = { authorization, ...(key === undefined ? {} : { 'idempotency-key': key }) }
  return fetch(url + path, { method, headers, ...(body === undefined ? {} : { body }) })
}

/** @returns `right`, or what the answer was */
export async function download({ url }: StageProcess, bundleId: string, token: string): Promise<string> {
  const path = entryPath(namespace, bundleId, 'files/data.bin')
  const answer = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } })
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (answer.status !== 200) return `${answer.status} ${JSON.parse(bytes.toString()).code}`
  return bytes.equals(content) ? 'right' : 'wrong bytes'
}
