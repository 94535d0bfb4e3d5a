import { Readable, Writable } from 'node:stream'
import t from 'tap'
import { MiB } from '../../../shared/units.ts'
import { storageContract } from '../../contract/storage-contract.ts'
import { openBucket } from './opened-bucket.ts'

const never = new AbortController().signal
const generous = { limitBytes: 64 * MiB }
const busy = { status: 503, code: 'SlowDown' } as const

storageContract(t, async t => {
  const { driver, keys } = await openBucket(t, { pageCount: 5 })
  return { driver, keys: async () => keys() }
})

t.test(
  'a store without a prefix fills its bucket, and one with encryption asks for it each time',
  async t => {
    const { fake, driver, bucket } = await openBucket(t, {}, { encryption: 'aws:kms', kmsKeyId: 'key-1' })

    await driver.create('due/a', '')
    await driver.put('data/0', Readable.from(['x']), generous, never)
    await driver.put('data/1', Readable.from([Buffer.alloc(6 * MiB)]), generous, never)
    await driver.copy('data/0', 'data/2')
    await driver.probe()

    t.ok(bucket.objects.has('pre/fix/due/a'))
    const writes = ['PutObject', 'CreateMultipartUpload', 'CopyObject']
    const asked = fake.requests.filter(({ operation }) => writes.includes(operation))
    t.equal(asked.length, 5)
    for (const { headers, operation } of asked) {
      t.equal(headers['x-amz-server-side-encryption'], 'aws:kms', operation)
      t.equal(headers['x-amz-server-side-encryption-aws-kms-key-id'], 'key-1')
    }
  }
)

t.test('a write whose answer got lost is known for one’s own when it is asked for again', async t => {
  const { fake, driver, bucket } = await openBucket(t)
  fake.fail('PutObject', 'lose')

  t.equal(await driver.create('a', 'mine'), true)

  t.equal(bucket.objects.get('pre/fix/a')?.body.toString(), 'mine')
  t.same(
    fake.requests.map(({ operation }) => operation),
    ['PutObject', 'PutObject', 'HeadObject']
  )
})

t.test('a swap whose answer got lost is known for one’s own when it is asked for again', async t => {
  const { fake, driver } = await openBucket(t)
  await driver.create('a', 'first')
  const { version } = await driver.read('a')
  fake.fail('PutObject', 'lose')

  t.equal(await driver.replace('a', 'second', version), true)

  t.equal((await driver.read('a')).text, 'second')
})

t.test('another’s write is not taken for one’s own, however often it was asked', async t => {
  const { fake, driver } = await openBucket(t)
  await driver.create('a', 'theirs')
  fake.fail('PutObject', 'drop')

  t.equal(await driver.create('a', 'mine'), false)

  t.equal((await driver.read('a')).text, 'theirs')
})

t.test('no swap that was answered is lost, whatever gets lost on the way', async t => {
  const { fake, driver } = await openBucket(t)
  await driver.create('a', '')
  const faults = ['lose', 'drop', { status: 500, code: 'InternalError' }] as const
  const swapped: string[] = []
  const swap = async (word: string, number: number) => {
    for (;;) {
      const { text, version } = await driver.read('a')
      // A swap that was said to have failed may have been done, and be built upon by others.
      if (text.includes(word)) return
      fake.fail('PutObject', faults[number % faults.length] ?? 'lose')
      if (!(await driver.replace('a', `${text}${word} `, version))) continue
      swapped.push(word)
      return
    }
  }
  const words = Array.from({ length: 12 }, (_, number) => `word-${number + 10}`)

  await Promise.all(words.map(swap))

  const found = (await driver.read('a')).text.trim().split(' ')
  t.same(found.toSorted(), words, 'each is there, once')
  t.not(swapped.length, 0)
})

t.test('a write that comes when its sender has long given up does not undo another', async t => {
  const { fake, driver, bucket } = await openBucket(t, {}, { maxAttempts: 1 })
  fake.fail('PutObject', 'late')

  await t.rejects(driver.create('a', 'late'), { name: 'StorageError', failure: 'unavailable' })
  t.equal(await driver.create('a', 'in time'), true)
  fake.doLate()

  t.equal(bucket.objects.get('pre/fix/a')?.body.toString(), 'in time')
})

t.test('writes that meet in the same moment are tried again, and not for ever', async t => {
  const { fake, driver } = await openBucket(t)
  const conflict = { status: 409, code: 'ConditionalRequestConflict' }

  fake.fail('PutObject', conflict, 2)
  t.equal(await driver.create('a', 'mine'), true)
  fake.fail('PutObject', conflict, 100)

  await t.rejects(driver.create('b', 'mine'), { name: 'StorageError', failure: 'unavailable' })
})

t.test('a throttled request is asked again', async t => {
  const { fake, driver } = await openBucket(t)
  fake.fail('PutObject', busy, 2)

  t.equal(await driver.create('a', 'x'), true)

  t.equal(fake.requests.length, 3)
})

t.test('what S3 refuses, or does not answer, is unavailable and never not there', async t => {
  const { fake, driver } = await openBucket(t, {}, { maxAttempts: 1 })
  await driver.create('a', 'x')
  for (const fault of [
    { status: 403, code: 'AccessDenied' },
    { status: 404, code: 'NoSuchBucket' },
    { status: 500, code: 'InternalError' },
    busy,
    'drop'
  ] as const) {
    for (const [operation, call] of [
      ['GetObject', () => driver.read('a')],
      ['GetObject', () => driver.open('a', { start: 0, end: 1 })],
      ['ListObjectsV2', () => driver.sizeOf('a')],
      ['ListObjectsV2', () => driver.copy('a', 'b')],
      ['CopyObject', () => driver.copy('a', 'b')],
      ['ListObjectsV2', () => driver.list('due/', '', 1)],
      ['PutObject', () => driver.create('b', '')],
      ['PutObject', () => driver.replace('a', '', '"x"')],
      ['PutObject', () => driver.put('b', Readable.from(['x']), generous, never)],
      ['DeleteObject', () => driver.delete(['a'])],
      ['DeleteObjects', () => driver.delete(['a', 'b'])],
      ['ListMultipartUploads', () => driver.abortUnfinished('data/')],
      ['PutObject', () => driver.probe()]
    ] as const) {
      fake.fail(operation, fault, 5)
      await t.rejects(
        async () => void (await call()),
        { name: 'StorageError', failure: 'unavailable' },
        `${operation} ${JSON.stringify(fault)}`
      )
      fake.clearFaults()
    }
  }
  t.equal((await driver.read('a')).text, 'x', 'and all is there as before')
})

t.test('a store that is full says so', async t => {
  const { fake, driver } = await openBucket(t)
  fake.fail('PutObject', { status: 507, code: 'XMinioStorageFull' }, 5)

  await t.rejects(driver.create('a', ''), { name: 'StorageError', failure: 'no-space' })
})

t.test('one key of many that cannot be deleted fails the whole, and says which', async t => {
  const { fake, driver } = await openBucket(t)
  fake.failDelete('pre/fix/b', 'AccessDenied')

  await t.rejects(driver.delete(['a', 'b']), {
    failure: 'unavailable',
    message: /b: S3 answered 200 AccessDenied/
  })
})

t.test('what is already gone is deleted, also where the store says that it is not there', async t => {
  const { fake, driver } = await openBucket(t)
  fake.fail('DeleteObject', { status: 404, code: 'NoSuchKey' })

  await driver.delete(['a'])

  t.equal(fake.requests.length, 1)
})

t.test('more than a thousand keys are deleted in pages', async t => {
  const { fake, driver, bucket, keys } = await openBucket(t)
  const names = Array.from({ length: 2001 }, (_, number) => `due/${number}`)
  for (const name of names) bucket.put(`pre/fix/${name}`, Buffer.alloc(0), {})

  await driver.delete(names)

  t.same(keys(), [])
  t.same(
    fake.requests.map(({ operation }) => operation),
    Array(3).fill('DeleteObjects')
  )
})

t.test('what is larger than S3 copies at once is copied in parts', async t => {
  const { driver, bucket, fake, keys } = await openBucket(t, {}, { longestCopyBytes: 5 * MiB })
  const body = Buffer.alloc(11 * MiB, 'spark stage')
  bucket.put('pre/fix/data/0', body, {})

  t.equal(await driver.copy('data/0', 'data/1'), true)

  t.ok(bucket.objects.get('pre/fix/data/1')?.body.equals(body))
  t.equal(fake.requests.filter(({ operation }) => operation === 'UploadPartCopy').length, 3)
  fake.fail('UploadPartCopy', { status: 404, code: 'NoSuchKey' })
  t.equal(await driver.copy('data/0', 'data/2'), false, 'its source went meanwhile')
  t.same(keys(), ['data/0', 'data/1'])
})

t.test('a completion whose answer got lost has completed', async t => {
  const { driver, fake, keys } = await openBucket(t)
  fake.fail('CompleteMultipartUpload', 'lose')

  const stored = await driver.put('data/0', Readable.from([Buffer.alloc(6 * MiB)]), generous, never)

  t.equal(stored.sizeBytes, 6 * MiB)
  t.same(keys(), ['data/0'])
})

t.test('an upload that S3 has given up meanwhile fails', async t => {
  const { driver, fake, keys, bucket } = await openBucket(t)
  bucket.put('pre/fix/data/0', Buffer.from('of another'), { 'x-amz-meta-writer': 'another' })
  fake.fail('CompleteMultipartUpload', { status: 404, code: 'NoSuchUpload' }, 5)

  const put = driver.put('data/0', Readable.from([Buffer.alloc(6 * MiB)]), generous, never)

  await t.rejects(put, { name: 'StorageError', failure: 'unavailable' })
  t.same(keys(), ['data/0'], 'and leaves nothing')
})

for (const [what, operation, fault] of [
  ['its beginning', 'CreateMultipartUpload', { status: 403, code: 'AccessDenied' }],
  ['a part', 'UploadPart', { status: 403, code: 'AccessDenied' }],
  ['its completion', 'CompleteMultipartUpload', { status: 500, code: 'InternalError' }]
] as const) {
  t.test(`an upload of which ${what} fails leaves nothing, and ends while its client is quiet`, async t => {
    const { driver, fake, keys } = await openBucket(t, {}, { maxAttempts: 2 })
    fake.fail(operation, fault, 5)
    const isLast = operation === 'CompleteMultipartUpload'
    const source = isLast ? Readable.from([Buffer.alloc(6 * MiB)]) : new Readable({ read() {} })
    if (!isLast) source.push(Buffer.alloc(6 * MiB))

    await t.rejects(driver.put('data/0', source, generous, never), {
      name: 'StorageError',
      failure: 'unavailable'
    })

    t.same(keys(), [])
    t.equal(source.destroyed, true)
  })
}

t.test('an abort that fails does not hide why; the sweep gives the upload up', async t => {
  const { driver, fake, keys } = await openBucket(t)
  fake.fail('UploadPart', { status: 403, code: 'AccessDenied' })
  fake.fail('AbortMultipartUpload', { status: 403, code: 'AccessDenied' })

  const put = driver.put('bundles/a/0/data/0', Readable.from([Buffer.alloc(6 * MiB)]), generous, never)
  await t.rejects(put, { message: /AccessDenied/ })

  t.same(keys(), ['bundles/a/0/data/0 (unfinished)'])
  t.equal(await driver.countUnfinished(), 1)
  await driver.abortUnfinished('bundles/b/')
  t.equal(await driver.countUnfinished(), 1)
  await driver.abortUnfinished('bundles/a/0/data/')
  t.same(keys(), [])
})

t.test('an upload that was finished or given up since it was listed is no failure', async t => {
  const { driver, bucket, fake, keys } = await openBucket(t)
  for (const name of ['a/0', 'a/1']) bucket.begin(`pre/fix/${name}`, {})
  fake.fail('AbortMultipartUpload', { status: 404, code: 'NoSuchUpload' })

  await driver.abortUnfinished('a/')

  t.same(keys(), ['a/0 (unfinished)'], 'and the others are given up')
})

for (const listsUploadsByPrefix of [true, false]) {
  const where = listsUploadsByPrefix ? 'a store that lists them by prefix' : 'one that does not'
  t.test(`unfinished uploads of ${where} are found, also over many pages`, async t => {
    const { driver, bucket, fake, keys } = await openBucket(t, { listsUploadsByPrefix, pageCount: 2 })
    for (const name of ['a/0', 'a/1', 'a/2', 'a/3', 'a/3', 'b/0']) bucket.begin(`pre/fix/${name}`, {})
    bucket.begin('other/a/0', {})

    t.equal(await driver.countUnfinished(), 6)
    fake.requests.length = 0
    await driver.abortUnfinished('a/')

    t.same(keys(), ['0 (unfinished)', 'b/0 (unfinished)'])
    const lists = fake.requests.filter(({ operation }) => operation === 'ListMultipartUploads')
    t.equal(lists.length, listsUploadsByPrefix ? 3 : 4)
  })
}

t.test('many uploads at once share few buffers, and all arrive whole', async t => {
  const { driver, bucket } = await openBucket(t)
  const bodies = Array.from({ length: 13 }, (_, number) => Buffer.alloc(5 * MiB + number, `file ${number} `))

  await Promise.all(
    bodies.map((body, number) =>
      driver.put(`data/${number}`, Readable.from([Buffer.from(body)]), generous, never)
    )
  )

  for (const [number, body] of bodies.entries()) {
    t.ok(bucket.objects.get(`pre/fix/data/${number}`)?.body.equals(body), `file ${number}`)
  }
})

t.test('a long upload of one client does not run ahead of S3', async t => {
  const { driver, bucket } = await openBucket(t)
  const body = Buffer.alloc(27 * MiB, 'spark stage ')

  await driver.put('data/0', Readable.from([Buffer.from(body)]), generous, never)

  t.ok(bucket.objects.get('pre/fix/data/0')?.body.equals(body))
})

t.test('an answer that is cut fails the download', async t => {
  const { driver, bucket, fake } = await openBucket(t)
  bucket.put('pre/fix/data/0', Buffer.alloc(2 * MiB), {})
  fake.fail('GetObject', 'cut')
  const opened = await driver.open('data/0', { start: 0, end: 2 * MiB })
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() })

  await t.rejects(opened.sendTo(sink, never), { name: 'StorageError', failure: 'unavailable' })

  t.equal(sink.destroyed, false, 'the sink stays open')
  await opened.close()
})

t.test('a download ends with its client', async t => {
  const { driver, bucket } = await openBucket(t)
  bucket.put('pre/fix/data/0', Buffer.alloc(2 * MiB), {})
  const opened = await driver.open('data/0', { start: 0, end: 2 * MiB })
  const gone = new AbortController()
  const sink = new Writable({
    write: (_chunk, _encoding, done) => {
      gone.abort()
      done()
    }
  })

  await t.rejects(opened.sendTo(sink, gone.signal), { name: 'AbortError' })
})

t.test('a signed URL gives the bytes to whoever has it', async t => {
  const { driver, bucket } = await openBucket(t)
  bucket.put('pre/fix/data/0', Buffer.from('0123456789'), {})

  const url = await driver.presign('data/0', 120, 'application/octet-stream')

  const answer = await fetch(url, { headers: { range: 'bytes=2-4' } })
  t.equal(answer.status, 206)
  t.equal(await answer.text(), '234')
  t.match(url, /X-Amz-Expires=120&/)
})

t.test('a signed URL is dated by the clock of S3', async t => {
  const { driver, bucket } = await openBucket(t, { now: () => Date.now() + 3_600_000 })
  bucket.put('pre/fix/data/0', Buffer.from('0123456789'), {})

  const answer = await fetch(await driver.presign('data/0', 120, 'text/plain'))

  t.equal(await answer.text(), '0123456789')
})

t.test('the clock of S3 is known to the second', async t => {
  let aheadMs = 0
  const { driver } = await openBucket(t, { now: () => Date.now() + aheadMs })
  t.equal(driver.clockAheadMs(), 0)

  aheadMs = 3_600_000
  await driver.list('due/', '', 1)

  const found = driver.clockAheadMs()
  t.ok(Math.abs(found - aheadMs) <= 1000, `${found} ms`)
})

t.test('a client that goes away while its last bytes are under way leaves nothing in doubt', async t => {
  const { driver, fake, keys } = await openBucket(t)
  const gone = new AbortController()
  fake.onRequest = ({ operation }) => {
    if (operation === 'PutObject') gone.abort()
  }

  const stored = await driver.put('data/0', Readable.from(['x']), generous, gone.signal)

  t.equal(stored.sizeBytes, 1)
  t.same(keys(), ['data/0'])
})
