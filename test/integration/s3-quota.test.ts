import t from 'tap'
import { usedBytes } from '../../server/staging/usage.ts'
import { MiB } from '../../shared/units.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { credential } from '../helpers/start-server.ts'
import { startMinio } from './helpers/minio.ts'
import { postOne, zeros } from './helpers/one-shot.ts'
import { startReplicas } from './helpers/replicas.ts'

/** A one-shot upload of one file of zeros. */
function post(server: { readonly url: string }, sizeBytes: number, isAnnounced = true) {
  return postOne(server, { credential, chunks: () => zeros(sizeBytes), sizeBytes, isAnnounced })
}

t.test('40 uploads of 64 MiB at once through three servers never hold more than 1 GiB', async t => {
  const quotaBytes = 1024 * MiB
  const fileBytes = 64 * MiB
  const env = { SPARK_STAGE_NAMESPACE_QUOTA_BYTES: `${quotaBytes}` }
  const replicas = await startReplicas(t, await startMinio(t), { env })

  const storedBytes = async () => {
    const data = [...(await replicas.sizes())].filter(([key]) => key.includes('/data/'))
    return data.reduce((sum, [, sizeBytes]) => sum + sizeBytes, 0)
  }
  const looks: { readonly countedBytes: number; readonly storedBytes: number }[] = []
  const ended = new AbortController()
  const looking = (async () => {
    while (!ended.signal.aborted) {
      const { heldBytes, reservedBytes } = usedBytes(await replicas.ledger())
      looks.push({ countedBytes: heldBytes + reservedBytes, storedBytes: await storedBytes() })
    }
  })()
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      // One that is refused early may find its connection closed before it has read why.
      post(replicas, fileBytes, index % 2 === 0).catch(() => ({ status: 0 }))
    )
  )
  ended.abort()
  await looking

  t.ok(looks.filter(({ countedBytes }) => countedBytes > 0).length >= 3, `looked ${looks.length} times`)
  t.same(
    looks.filter(look => Math.max(look.countedBytes, look.storedBytes) > quotaBytes),
    [],
    'nor on the way'
  )
  const { held, open } = await replicas.ledger()
  const stagedCount = answers.filter(({ status }) => status === 201).length
  const others = [...new Set(answers.map(({ status }) => status))].filter(status => status !== 201)
  t.comment(`${stagedCount} staged, others answered ${others.join(', ')}`)
  t.same(
    others.filter(status => ![0, 502, 507].includes(status)),
    []
  )
  t.ok(stagedCount > 0 && stagedCount * fileBytes <= quotaBytes, `${stagedCount} staged`)
  t.equal(held['team-a']?.bytes, stagedCount * fileBytes)
  t.same(open, {})
  t.equal(await storedBytes(), stagedCount * fileBytes, 'the bucket holds what is counted, and nothing more')
})

t.test('what a killed server had reserved lapses, and the others use it', async t => {
  const env = {
    SPARK_STAGE_NAMESPACE_QUOTA_BYTES: `${100 * MiB}`,
    SPARK_STAGE_DRAFT_LEASE_SECONDS: '4',
    SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '1'
  }
  const replicas = await startReplicas(t, await startMinio(t), { env })
  const [first, second] = replicas.servers
  if (first === undefined || second === undefined) throw new Error('expected three')
  async function* halfAndNoMore() {
    yield* zeros(8 * MiB)
    await new Promise(() => {})
  }
  const whole = { credential, sizeBytes: 80 * MiB, isAnnounced: true }
  const cut = postOne(first, { ...whole, chunks: halfAndNoMore }).catch((error: Error) => error.message)
  const openCount = async () => Object.keys((await replicas.ledger()).open).length
  await waitUntil('something is reserved', 30_000, async () => (await openCount()) > 0)

  const early = await post(second, 64 * MiB).catch(() => ({ status: 0 }))
  await replicas.kill(0)
  await waitUntil('the reservation has lapsed', 60_000, async () => (await openCount()) === 0)
  const late = await post(second, 64 * MiB)

  t.equal(await cut, 'fetch failed')
  t.not(early.status, 201)
  t.equal(late.status, 201)
  const { held, open } = await replicas.ledger()
  t.same(held, { 'team-a': { bytes: 64 * MiB, bundlesCount: 1 } })
  t.same(open, {})
})
