import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MiB } from '../../shared/units.ts'
import type { Answer } from '../helpers/call.ts'
import { readJson } from '../helpers/start-server.ts'
import { postOne, zeros } from './helpers/one-shot.ts'
import { type StageProcess, startStage } from './helpers/programs.ts'
import { testFolder } from './helpers/test-folder.ts'

/** What is held and reserved, by the store's ledger. */
interface Used {
  readonly held: Readonly<Record<string, { readonly bytes: number }>>
  readonly open: Readonly<Record<string, { readonly bytes: number }>>
}

const usedOf = async ({ store }: StageProcess): Promise<Used> => {
  const { held, open } = (await readJson(join(store, 'usage.json'))) as Used
  return { held, open }
}

/** A one-shot upload of one file. @param isAnnounced whether the request says how long it is */
async function post(
  server: StageProcess,
  chunks: () => AsyncGenerator<Buffer>,
  sizeBytes: number,
  isAnnounced: boolean
): Promise<Answer> {
  const credential = (await readFile(server.credentialFile, 'utf8')).trim()
  return postOne(server, { credential, chunks, sizeBytes, isAnnounced })
}

t.test('40 uploads of 64 MiB at once never hold more than 1 GiB', async t => {
  const quotaBytes = 1024 * MiB
  const env = { SPARK_STAGE_NAMESPACE_QUOTA_BYTES: String(quotaBytes) }
  const server = await startStage(t, { home: testFolder(t), env })
  const fileBytes = 64 * MiB

  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      // One that is refused early may find its connection closed before it has read why.
      post(server, () => zeros(fileBytes), fileBytes, index % 2 === 0).catch(() => ({ status: 0 }))
    )
  )

  const { held, open } = await usedOf(server)
  const stagedCount = answers.filter(({ status }) => status === 201).length
  t.ok(answers.every(({ status }) => [0, 201, 507].includes(status)))
  t.ok(stagedCount > 0 && stagedCount * fileBytes <= quotaBytes, `${stagedCount} staged`)
  t.equal(held['team-a']?.bytes, stagedCount * fileBytes)
  t.same(open, {})
})

t.test('what a killed server had reserved lapses with its draft', async t => {
  const home = testFolder(t)
  const env = {
    SPARK_STAGE_NAMESPACE_QUOTA_BYTES: String(100 * MiB),
    SPARK_STAGE_DRAFT_LEASE_SECONDS: '4',
    SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '1'
  }
  const first = await startStage(t, { home, env })
  const sent = Promise.withResolvers<void>()
  async function* halfAndNoMore() {
    yield* zeros(8 * MiB)
    sent.resolve()
    await new Promise(() => {})
  }
  const cut = post(first, halfAndNoMore, 80 * MiB, true).catch((error: Error) => error.message)
  await sent.promise
  while (Object.keys((await usedOf(first)).open).length === 0) await new Promise(setImmediate)

  await first.kill('SIGKILL')
  const second = await startStage(t, { home, port: first.port, env })
  const early = await post(second, () => zeros(64 * MiB), 64 * MiB, true).catch(() => ({ status: 0 }))
  while (Object.keys((await usedOf(second)).open).length > 0)
    await new Promise(resolve => setTimeout(resolve, 100))
  const late = await post(second, () => zeros(64 * MiB), 64 * MiB, true)

  t.equal(await cut, 'fetch failed')
  t.not(early.status, 201)
  t.equal(late.status, 201)
  t.same(await usedOf(second), { held: { 'team-a': { bytes: 64 * MiB, bundlesCount: 1 } }, open: {} })
})
