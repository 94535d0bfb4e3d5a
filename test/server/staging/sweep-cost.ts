import { createStaging } from '../../../server/staging/staging.ts'
import type { SweepSummary } from '../../../server/staging/sweep.ts'
import { dayMs, hourMs } from '../../../shared/units.ts'
import { sha256 } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { watchStore } from '../../helpers/watched-store.ts'
import { type Objects, simulatedStore } from '../../property/simulated-store.ts'

export const times = { leaseMs: 7 * dayMs, draftLeaseMs: hourMs, maxAgeMs: 365 * dayMs }
export const limits = { maxUploadBytes: 1000, maxEntriesCount: 10 }

/** What one sweep did, and how often it asked the store for something. */
export interface SweepCost {
  readonly summary: SweepSummary
  readonly callsCount: number
}

/** Sweeps a store in memory that has so many bundles, 100 of which are due. */
export async function sweepWith(storedCount: number): Promise<SweepCost> {
  const clock = new TestClock(Date.UTC(2026, 0, 10))
  const objects: Objects = new Map(storedObjects(storedCount, clock.now()))
  let callsCount = 0
  const before = () => {
    callsCount += 1
  }
  const store = watchStore(
    simulatedStore(objects, async () => {}),
    { before }
  )
  const report = { ended: () => {}, failed: () => {} }
  const staging = createStaging(store, clock, times, limits)
  return { summary: await staging.sweep(report, new AbortController().signal), callsCount }
}

/** What a store has that holds so many bundles, 100 of which are due: keys and texts. */
export function* storedObjects(storedCount: number, nowMs: number): Generator<readonly [string, string]> {
  for (let number = 0; number < storedCount; number += 1) {
    yield* bundleObjects(number, number < 100 ? nowMs - dayMs : nowMs + 5 * dayMs)
  }
  const held = { ns: { bytes: storedCount, bundlesCount: storedCount } }
  yield ['usage.json', JSON.stringify({ held, open: {} })]
}

/** A committed bundle with one entry, as it lies in a store. */
function* bundleObjects(number: number, expiresAtMs: number): Generator<readonly [string, string]> {
  const bundleId = number.toString(16).padStart(32, '0')
  const createdAtMs = expiresAtMs - 7 * dayMs
  const counted = { account: `${bundleId}/0`, sizeBytes: 1 }
  const lifeMs = { createdAtMs, expiresAtMs }
  const lease = { namespace: 'ns', principal: 'p', state: 'committed', attempt: 0, ...lifeMs, ...counted }
  const entry = {
    kind: 'files',
    name: 'a',
    path: 'files/a',
    sizeBytes: 1,
    sha256: sha256(`${number}`),
    data: 0
  }
  yield [`due/${new Date(expiresAtMs).toISOString().slice(0, 13)}/${bundleId}`, '']
  yield [
    `bundles/${bundleId}/lease.json`,
    JSON.stringify({ ...lease, tokenExpiresAtMs: createdAtMs + times.maxAgeMs })
  ]
  yield [
    `bundles/${bundleId}/0/manifest.json`,
    JSON.stringify({ bundleId, attempt: 0, namespace: 'ns', entries: [entry] })
  ]
  yield [`bundles/${bundleId}/0/data/0`, 'x']
  yield [`index/ns/${bundleId}`, '']
  yield [`hints/ns/${entry.sha256}`, `${bundleId} 0`]
}
