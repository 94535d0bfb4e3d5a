import t from 'tap'
import type { Ledger } from '../../../server/staging/usage.ts'
import { blobPath, bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { KiB, MiB } from '../../../shared/units.ts'
import { type Answer, call, stage, upload } from '../../helpers/call.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import { credential, readJson, sha256, startServer, type TestServer } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'

const quota = { SPARK_STAGE_NAMESPACE_QUOTA_BYTES: '1000000' }
const headers = { authorization: `Bearer ${credential}` }

/** What the store says is used, by namespace, and what is reserved. */
async function usage(server: TestServer): Promise<object> {
  // A boundary: it is the ledger.
  const { held, open } = (await readJson(`${server.folder}/usage.json`)) as Ledger
  return { held, open }
}

function declare(server: TestServer, sizes: readonly number[], key?: string): Promise<Answer> {
  const entries = sizes.map((sizeBytes, index) => ({
    kind: 'files',
    name: `${index}.bin`,
    sizeBytes,
    sha256: sha256('x'.repeat(sizeBytes))
  }))
  return call(server, 'POST', bundlesPath('team-a'), {
    headers: {
      ...headers,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key })
    },
    body: JSON.stringify({ entries })
  })
}

function put(server: TestServer, bundleId: string, sizeBytes: number): Promise<Answer> {
  const body = 'x'.repeat(sizeBytes)
  return call(server, 'PUT', blobPath('team-a', bundleId, sha256(body)), { headers, body })
}

t.test('what a namespace holds counts until it ends', async t => {
  const server = await startServer(t, { env: quota })

  const first = await stage(server, [['files', 'a', 'x'.repeat(600_000)]])
  t.same(await usage(server), { held: { 'team-a': { bytes: 600_000, bundlesCount: 1 } }, open: {} })
  const refused = await stage(server, [['files', 'b', 'y'.repeat(500_000)]])
  await upload(server, 'DELETE', bundlePath('team-a', first.json.bundleId))
  t.same(await usage(server), { held: {}, open: {} })
  const second = await stage(server, [['files', 'b', 'y'.repeat(500_000)]])

  isRefusal(t, refused, {
    status: 507,
    code: 'STAGE_ERR_QUOTA',
    expected: /^at most 400000 bytes: 600000 of 1000000/
  })
  t.match(refused.error, { limitBytes: 1_000_000, usedBytes: 600_000, largest: [{ path: 'files/b' }] })
  t.equal(second.status, 201)
})

t.test('one namespace does not count for another', async t => {
  const server = await startServer(t, { env: quota })

  const answers = [
    await stage(server, [['files', 'a', 'x'.repeat(900_000)]]),
    await stage(server, [['files', 'a', 'x'.repeat(900_000)]], { namespace: 'team-b' })
  ]

  t.same(
    answers.map(({ status }) => status),
    [201, 201]
  )
})

t.test('all namespaces together count for the store', async t => {
  const server = await startServer(t, { env: { SPARK_STAGE_MAX_STORE_BYTES: '1000000' } })

  const first = await stage(server, [['files', 'a', 'x'.repeat(900_000)]])
  const second = await stage(server, [['files', 'a', 'y'.repeat(200_000)]], { namespace: 'team-b' })

  t.equal(first.status, 201)
  isRefusal(t, second, {
    status: 507,
    code: 'STAGE_ERR_NO_SPACE',
    expected: /^at most 100000 bytes: 900000 of 1000000/
  })
})

t.test(
  'a bundle that is larger than the quota is too large, and the answer names its largest files',
  async t => {
    const server = await startServer(t, { env: quota })

    await leavesNothing(t, server, async () => {
      const answer = await declare(server, [5, 400_000, 1, 300_000, 400_001])

      isRefusal(t, answer, { status: 413, code: 'STAGE_ERR_TOO_LARGE', found: '1100007 bytes' })
      t.match(answer.error, {
        limitBytes: 1_000_000,
        askedBytes: 1_100_007,
        largest: [
          { path: 'files/4.bin', sizeBytes: 400_001 },
          { path: 'files/1.bin', sizeBytes: 400_000 },
          { path: 'files/3.bin', sizeBytes: 300_000 }
        ]
      })
    })
  }
)

t.test('a draft counts from its declaration on, and no more once it has expired', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { env: { ...quota, SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '60' }, clock })
  await declare(server, [600_000])

  const refused = await declare(server, [500_000])
  clock.advance(3601_000)
  clock.advance(3600_000)
  await until(async () => JSON.stringify(await usage(server)) === '{"held":{},"open":{}}')
  const again = await declare(server, [500_000])

  isRefusal(t, refused, { status: 507, code: 'STAGE_ERR_QUOTA', found: '500000 bytes' })
  t.match(refused.error, { largest: [{ path: 'files/0.bin', sizeBytes: 500_000 }] })
  t.equal(again.status, 201)
})

t.test('a draft that is declared again and committed twice counts once', async t => {
  const server = await startServer(t, { env: quota })
  const { bundleId } = (await declare(server, [600_000], 'key')).json

  t.equal((await declare(server, [600_000], 'key')).status, 201)
  t.equal((await put(server, bundleId, 600_000)).status, 201)
  const commits = await Promise.all(
    [1, 2].map(() => upload(server, 'POST', `${bundlePath('team-a', bundleId)}/commit`))
  )

  t.same(
    commits.map(({ status }) => status),
    [200, 200]
  )
  t.same(await usage(server), { held: { 'team-a': { bytes: 600_000, bundlesCount: 1 } }, open: {} })
})

t.test('a failed upload counts no more, with and without a key', async t => {
  const server = await startServer(t, { env: quota })

  for (const options of [{}, { key: 'key' }]) {
    const answer = await stage(
      server,
      [
        ['files', 'a', 'x'],
        ['files', 'a', 'y']
      ],
      options
    )
    isRefusal(t, answer, { status: 400, code: 'STAGE_ERR_SAME_NAME' })
  }

  t.same(await usage(server), { held: {}, open: {} })
})

t.test(
  'an upload of unknown length takes room as it comes, and is refused where there is none left',
  async t => {
    const server = await startServer(t, { env: { SPARK_STAGE_NAMESPACE_QUOTA_BYTES: String(10 * MiB) } })
    await stage(server, [['files', 'a', 'x'.repeat(8 * MiB)]])

    const fits = await postChunked(server, [MiB - KiB])
    await leavesNothing(t, server, async () => {
      const tooMuch = await postChunked(server, [KiB, 512 * KiB, 4 * MiB])

      t.equal(fits.status, 201)
      isRefusal(t, tooMuch, { status: 507, code: 'STAGE_ERR_QUOTA', found: '2097152 bytes' })
      t.same(tooMuch.error.largest, [
        { path: 'files/2' },
        { path: 'files/1', sizeBytes: 512 * KiB },
        { path: 'files/0', sizeBytes: KiB }
      ])
    })
  }
)

t.test('40 uploads at once never hold more than the quota', async t => {
  const server = await startServer(t, { env: quota })

  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => stage(server, [['files', 'a', String(index).padEnd(90_000)]]))
  )

  const stagedCount = answers.filter(({ status }) => status === 201).length
  t.ok(stagedCount >= 10, `${stagedCount} staged`)
  t.ok(stagedCount <= 11)
  t.same(await usage(server), {
    held: { 'team-a': { bytes: stagedCount * 90_000, bundlesCount: stagedCount } },
    open: {}
  })
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    isRefusal(t, answer, { status: 507, code: 'STAGE_ERR_QUOTA' })
  }
})

/** A one-shot upload of files of these sizes that does not say how long it is. */
function postChunked(server: TestServer, sizes: readonly number[]): Promise<Answer> {
  const texts = sizes.flatMap((sizeBytes, index) => [
    `--B\r\nContent-Disposition: form-data; name="files"; filename="${index}"\r\n\r\n`,
    ...Array.from({ length: sizeBytes / KiB }, () => 'c'.repeat(KiB)),
    '\r\n'
  ])
  const body = ReadableStream.from([...texts, '--B--\r\n'].map(text => Buffer.from(text)))
  const type = { 'content-type': 'multipart/form-data; boundary=B' }
  return call(server, 'POST', bundlesPath('team-a'), {
    body,
    duplex: 'half',
    headers: { ...headers, ...type }
  })
}
