import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { manifestPath } from '../../../shared/paths.ts'
import { MiB, secondMs } from '../../../shared/units.ts'
import { call, stage } from '../../helpers/call.ts'
import { startFront } from './front.ts'
import { startMinio } from './minio.ts'
import { PutAndFetch } from './put-and-fetch.ts'
import { type Replicas, startReplicas } from './replicas.ts'

/** How long the store is away in each way, in milliseconds. */
export interface OutageTimes {
  /** It takes requests and answers none. */
  readonly silentMs: number
  /** Nothing listens where it was. */
  readonly goneMs: number
  /** It answers half of all requests with 503 SlowDown. */
  readonly throttledMs: number
}

const slowDown = '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'

/** How many submissions go on at once. */
const placesCount = 3

/** What the servers say about themselves in time. */
const noticeMs = 60 * secondMs

/**
 * Takes the store away from three servers, in one way after the other, while programs stage and fetch through nginx.
 * None of them may fail, and nothing may be removed.
 */
export async function loseStore(t: Test, times: OutageTimes): Promise<void> {
  const minio = await startMinio(t)
  let isThrottled = false
  let refusedCount = 0
  const endpoint = await startFront(t, minio.endpoint, (incoming, outgoing) => {
    if (!isThrottled || Math.random() < 0.5) return false
    refusedCount += 1
    incoming.resume()
    outgoing.writeHead(503, { 'content-type': 'application/xml' }).end(slowDown)
    return true
  })
  const replicas = await startReplicas(t, minio, {
    endpoint,
    // So short that in each hour sweeps have drafts to look at, whatever became of them.
    env: { SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '1', SPARK_STAGE_DRAFT_LEASE_SECONDS: '60' }
  })
  const staged = (await stage(replicas, [['files', 'f', 'staged before']])).json
  const load = new PutAndFetch(t, replicas)
  await load.start(placesCount)
  await Promise.all([untilReady(replicas, true), load.more(placesCount)])

  await lose(t, replicas, staged, 'silent', times.silentMs, {
    begin: async () => void process.kill(minio.pid, 'SIGSTOP'),
    end: async () => void process.kill(minio.pid, 'SIGCONT')
  })
  await lose(t, replicas, staged, 'gone', times.goneMs, { begin: minio.stop, end: minio.start })
  isThrottled = true
  await Promise.all([setTimeout(times.throttledMs), load.more(placesCount)])
  isThrottled = false
  await untilReady(replicas, true)
  await load.stop()

  const { failures, kept } = load
  t.comment(`${kept.readable.size} submissions, ${refusedCount} requests throttled`)
  t.same(failures, [], 'every put and every init container has succeeded')
  t.ok(refusedCount > 0, 'the store did throttle, and submissions went on')
  t.same(await kept.findBroken(replicas.url), [], 'nothing was removed')
  const peakBytes = await replicas.peakBytes()
  t.ok(peakBytes <= 250 * MiB, `no server needs more than 250 MiB: ${Math.round(peakBytes / MiB)}`)
  const endings = await Promise.all(replicas.servers.map(({ kill }) => kill('SIGTERM')))
  const lines = endings.flatMap(({ stdout }) => stdout.split('\n'))
  t.same(
    lines.filter(line => line.includes('bundle ended')),
    [],
    'no server has ended a bundle'
  )
  t.ok(
    lines.some(line => line.includes('sweep done')),
    'sweeps had bundles to look at'
  )
  t.ok(
    lines.some(line => /sweep failed|bundle not swept/.test(line)),
    'and met the store that was away'
  )
}

interface Loss {
  readonly begin: () => Promise<void>
  readonly end: () => Promise<void>
}

/** Takes the store away for a while: the servers say so, to clients as to who looks after them, and recover by themselves. */
async function lose(
  t: Test,
  replicas: Replicas,
  staged: { readonly bundleId: string; readonly token: string },
  how: string,
  awayMs: number,
  { begin, end }: Loss
): Promise<void> {
  const backAtMs = Date.now() + awayMs
  await begin()
  try {
    await untilReady(replicas, false)
    t.pass(`while the store is ${how}, no server is ready`)
    const path = manifestPath('team-a', staged.bundleId)
    const headers = { authorization: `Bearer ${staged.token}` }
    const answer = await call(replicas, 'GET', path, { headers })
    t.match(answer, { status: 503, error: { code: 'STAGE_ERR_STORE_UNAVAILABLE' } })
    t.ok(Number(answer.headers.get('retry-after')) >= 1, 'says when to come again')
    await setTimeout(Math.max(0, backAtMs - Date.now()))
  } finally {
    await end()
  }
  await untilReady(replicas, true)
  t.pass(`the store is no longer ${how}: all servers are ready again`)
}

async function untilReady({ servers }: Replicas, isReady: boolean): Promise<void> {
  const patience = AbortSignal.timeout(noticeMs)
  for (const { url } of servers) {
    while ((await fetch(`${url}/readyz`, { signal: patience })).ok !== isReady) await setTimeout(500)
  }
}
