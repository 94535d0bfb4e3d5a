import type { Test } from 'tap'
import { systemClock } from '../../../server/staging/clock.ts'
import { createStaging } from '../../../server/staging/staging.ts'
import { S3Driver } from '../../../server/storage/s3-driver.ts'
import { limits, storedObjects, times } from '../../server/staging/sweep-cost.ts'
import { fillBucket } from './fill-bucket.ts'
import { startFront } from './front.ts'
import { type Minio, startMinio } from './minio.ts'

/** How many requests one sweep sent to the store. */
interface SweepRequests {
  /** But those for the ledger. */
  readonly count: number
  /** Reads and swaps of the ledger: changes that come in the same moment share one, so their number is up to chance. */
  readonly ledgerCount: number
}

/** What 100 bundles that end need at most, were each swap of the ledger for one change alone. */
const mostLedgerCount = 100 * 2 * 2

/** Sweeps two stores that each have 100 bundles due, and counts: what else is stored makes no difference. */
export async function sweepAmong(t: Test, fewCount: number, manyCount: number): Promise<void> {
  const minio = await startMinio(t)
  const few = await sweepWith(t, minio, fewCount)
  const many = await sweepWith(t, minio, manyCount)

  t.comment(`requests, and more for the ledger: ${JSON.stringify({ few, many })}`)
  t.equal(many.count, few.count)
  for (const { ledgerCount } of [few, many]) t.ok(ledgerCount <= mostLedgerCount)
}

async function sweepWith(t: Test, minio: Minio, storedCount: number): Promise<SweepRequests> {
  const { endpoint, credentials, client } = minio
  const bucket = await minio.makeBucket()
  await fillBucket(client, bucket, 'stage/', storedObjects(storedCount, Date.now()))
  const counts = { count: 0, ledgerCount: 0 }
  const front = await startFront(t, endpoint, ({ url = '' }) => {
    counts[url.includes('/usage.json') ? 'ledgerCount' : 'count'] += 1
    return false
  })
  const settings = { endpoint: front, credentials, region: 'us-east-1', isPathStyle: true }
  const store = await S3Driver.open(`s3://${bucket}/stage`, settings)
  t.teardown(() => store.close())
  const before = { ...counts }
  const report = { ended: () => {}, failed: () => {} }

  const staging = createStaging(store, systemClock, times, limits)
  const summary = await staging.sweep(report, new AbortController().signal)

  t.match(summary, { looked: 100, ended: 100, failed: 0 })
  return { count: counts.count - before.count, ledgerCount: counts.ledgerCount - before.ledgerCount }
}
