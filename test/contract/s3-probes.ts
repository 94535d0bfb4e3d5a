import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
  UploadPartCopyCommand
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import type { Test } from 'tap'
import { hourMs, MiB } from '../../shared/units.ts'

/** A store to ask, and an empty bucket of its own for these questions. */
export interface ProbedStore {
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly bucket: string
}

/** Who asks: all of it as the driver's own settings are, but never twice. */
interface Asker {
  readonly client: S3Client
  readonly Bucket: string
  /** Writes an object under `key`. @returns its ETag */
  write(key: string, text?: string | Buffer): Promise<string>
  /** Reads one whole. */
  text(key: string): Promise<string>
  /** Another that differs in this. */
  as(config: S3ClientConfig): S3Client
}

const md5OfOne = '"f97c5d29941bfb1b2fdab0874906ab82"'

/**
 * What the driver relies on, asked request by request with the answers of a real MinIO: the fake that stands for S3 in
 * quick tests gives the same.
 */
export function s3Probes(t: Test, { endpoint, credentials, bucket: Bucket }: ProbedStore): void {
  const as = (config: S3ClientConfig) => {
    const client = new S3Client({
      endpoint,
      region: 'us-east-1',
      credentials,
      forcePathStyle: true,
      maxAttempts: 1,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...config
    })
    t.teardown(() => client.destroy())
    return client
  }
  const client = as({})
  const asker: Asker = {
    client,
    Bucket,
    as,
    async write(Key, Body = 'one') {
      return String((await client.send(new PutObjectCommand({ Bucket, Key, Body }))).ETag)
    },
    async text(Key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
      return (await Body?.transformToString()) ?? ''
    }
  }
  probeConditions(t, asker)
  probeReads(t, asker)
  probeLists(t, asker)
  probeDeletes(t, asker)
  probeCopies(t, asker)
  probeUploads(t, asker)
  probeUploadLists(t, asker)
  probeSignedUrls(t, asker)
  probeRefusals(t, asker)
}

function probeConditions(t: Test, { client, Bucket, write, text }: Asker): void {
  const put = (Key: string, condition: object) =>
    client.send(new PutObjectCommand({ Bucket, Key, Body: 'one', ...condition }))

  t.test('a write on condition that there is nothing', async t => {
    t.match(await put('create', { IfNoneMatch: '*' }), { $metadata: { httpStatusCode: 200 }, ETag: md5OfOne })
    await t.rejects(put('create', { IfNoneMatch: '*' }), refusal(412, 'PreconditionFailed'))
  })

  t.test('a write on condition that nothing has changed', async t => {
    const etag = await write('swap', 'before')

    t.match(await put('swap', { IfMatch: etag }), { ETag: md5OfOne })
    await t.rejects(put('swap', { IfMatch: etag }), refusal(412, 'PreconditionFailed'))
    await t.rejects(put('no-swap', { IfMatch: etag }), refusal(404, 'NoSuchKey'))
    t.equal(await text('swap'), 'one')
  })

  t.test('one of many writes at once, each on condition that there is nothing', async t => {
    const puts = Array.from({ length: 12 }, () => put('race', { IfNoneMatch: '*' }))

    const outcomes = await Promise.allSettled(puts)

    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') t.match(outcome.reason, refusal(412, 'PreconditionFailed'))
  })

  t.test('what a writer said of an object comes back', async t => {
    await put('named', { Metadata: { writer: 'me' } })

    const found = await client.send(new HeadObjectCommand({ Bucket, Key: 'named' }))

    t.match(found, { ETag: md5OfOne, ContentLength: 3, Metadata: { writer: 'me' } })
  })
}

function probeReads(t: Test, { client, Bucket, write }: Asker): void {
  const get = (Key: string, Range?: string) =>
    client.send(new GetObjectCommand({ Bucket, Key, ...(Range === undefined ? {} : { Range }) }))

  t.test('a whole object, and pieces of it', async t => {
    await write('read', '0123456789')

    const whole = await get('read')
    t.match(whole, { $metadata: { httpStatusCode: 200 }, ContentLength: 10 })
    t.equal(await whole.Body?.transformToString(), '0123456789')
    for (const [range, text, contentRange] of [
      ['bytes=2-4', '234', 'bytes 2-4/10'],
      ['bytes=8-100', '89', 'bytes 8-9/10']
    ] as const) {
      const piece = await get('read', range)
      t.match(piece, { $metadata: { httpStatusCode: 206 }, ContentRange: contentRange })
      t.equal(await piece.Body?.transformToString(), text)
    }
    await t.rejects(get('read', 'bytes=10-10'), refusal(416, 'InvalidRange'))
  })

  t.test('what is not there, be it the object or the bucket', async t => {
    const Other = { Bucket: `${Bucket}-not-there`, Key: 'read' }

    await t.rejects(get('not-there'), refusal(404, 'NoSuchKey'))
    await t.rejects(client.send(new GetObjectCommand(Other)), refusal(404, 'NoSuchBucket'))
    await t.rejects(client.send(new PutObjectCommand({ ...Other, Body: 'x' })), refusal(404, 'NoSuchBucket'))
    await t.rejects(client.send(new DeleteObjectCommand(Other)), refusal(404, 'NoSuchBucket'))
    await t.rejects(client.send(new ListObjectsV2Command(Other)), refusal(404, 'NoSuchBucket'))
    await t.rejects(client.send(new CreateMultipartUploadCommand(Other)), refusal(404, 'NoSuchBucket'))
    // HEAD has no body, and so no code: it cannot tell the one from the other.
    const head = (at: { Bucket: string; Key: string }) => client.send(new HeadObjectCommand(at))
    await t.rejects(head({ Bucket, Key: 'not-there' }), refusal(404, 'NotFound'))
    await t.rejects(head(Other), refusal(404, 'NotFound'))
  })
}

function probeLists(t: Test, { client, Bucket, write }: Asker): void {
  const list = async (more: object) => {
    const found = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', ...more }))
    return {
      keys: (found.Contents ?? []).map(({ Key }) => Key),
      folders: (found.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
      isTruncated: found.IsTruncated,
      token: found.NextContinuationToken
    }
  }

  t.test('lists', async t => {
    const keys = ['list/a', 'list/b-c/x', 'list/b/x', 'list/b/y', 'list/b0', 'list/c']
    for (const key of keys) await write(key)
    const Prefix = 'list/'

    const whole = { isTruncated: false, token: undefined }
    t.same(await list({ Prefix }), {
      keys: ['list/a', 'list/b0', 'list/c'],
      folders: ['list/b-c/', 'list/b/'],
      ...whole
    })
    t.same(await list({ Prefix, StartAfter: 'list/b-c/~' }), {
      keys: ['list/b0', 'list/c'],
      folders: ['list/b/'],
      ...whole
    })
    const last = { keys: ['list/b0', 'list/c'], folders: [], ...whole }
    t.same(await list({ Prefix, StartAfter: 'list/b/~' }), last)
    const nothing = { keys: [], folders: [], ...whole }
    t.same(await list({ Prefix, StartAfter: 'list/c' }), nothing)
    t.same(await list({ Prefix: 'nothing/' }), nothing)
    const all = await client.send(new ListObjectsV2Command({ Bucket, Prefix }))
    t.same(
      (all.Contents ?? []).map(({ Key }) => Key),
      keys
    )
    t.match(all.Contents?.[0], { Size: 3, ETag: md5OfOne })
  })

  for (const MaxKeys of [1, 2, 3]) {
    t.test(`lists in pages of ${MaxKeys}`, async t => {
      const names: (string | undefined)[] = []
      let token: string | undefined
      do {
        const page = await list({ Prefix: 'list/', MaxKeys, StartAfter: 'list/a', ContinuationToken: token })
        names.push(...page.keys, ...page.folders)
        t.equal(page.isTruncated, page.token !== undefined)
        t.ok(page.keys.length + page.folders.length <= MaxKeys)
        token = page.token
      } while (token !== undefined)

      t.same(names.sort(), ['list/b-c/', 'list/b/', 'list/b0', 'list/c'])
    })
  }
}

function probeDeletes(t: Test, { client, Bucket, write }: Asker): void {
  t.test('one object is deleted, or was never there', async t => {
    await write('delete/a')

    for (const Key of ['delete/a', 'delete/a']) {
      const answer = await client.send(new DeleteObjectCommand({ Bucket, Key }))
      t.match(answer, { $metadata: { httpStatusCode: 204 } })
    }
  })

  t.test('many objects are deleted, a thousand at most', async t => {
    await write('delete/b')
    const names = Array.from({ length: 1001 }, (_, number) => ({ Key: `delete/${number}` }))
    const deleteAll = (Objects: { Key: string }[]) =>
      client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }))

    const answer = await deleteAll([{ Key: 'delete/b' }, ...names.slice(0, 999)])

    t.match(answer, { $metadata: { httpStatusCode: 200 }, Errors: undefined })
    await t.rejects(client.send(new HeadObjectCommand({ Bucket, Key: 'delete/b' })), refusal(404, 'NotFound'))
    await t.rejects(deleteAll(names), refusal(400, 'MalformedXML'))
  })
}

function probeCopies(t: Test, { client, Bucket, text }: Asker): void {
  const copy = (from: string, Key: string) =>
    client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${from}` }))

  t.test('a copy', async t => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'from', Body: 'one', Metadata: { writer: 'me' } }))

    const answer = await copy('from', 'to')

    t.equal(answer.CopyObjectResult?.ETag, md5OfOne)
    t.equal(await text('to'), 'one')
    const found = await client.send(new HeadObjectCommand({ Bucket, Key: 'to' }))
    t.same(found.Metadata, { writer: 'me' })
    await t.rejects(copy('not-there', 'to'), refusal(404, 'NoSuchKey'))
    t.equal(await text('to'), 'one')
  })
}

function probeUploads(t: Test, { client, Bucket, write, text }: Asker): void {
  const begin = async (Key: string) => {
    const begun = new CreateMultipartUploadCommand({ Bucket, Key, Metadata: { writer: 'me' } })
    return { Bucket, Key, UploadId: String((await client.send(begun)).UploadId) }
  }
  type Upload = Awaited<ReturnType<typeof begin>>
  const send = async (upload: Upload, PartNumber: number, Body: Buffer) => {
    const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }))
    return { PartNumber, ETag: String(ETag) }
  }
  const complete = (upload: Upload, Parts: { PartNumber: number; ETag: string }[]) =>
    client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
  const abort = (upload: Upload) => client.send(new AbortMultipartUploadCommand(upload))
  const big = Buffer.alloc(5 * MiB, 'spark stage ')
  const small = Buffer.from('the last part')

  t.test('an object in parts, whole or not at all', async t => {
    const upload = await begin('parts')
    await send(upload, 1, small)
    // The same number again takes the place of the first.
    const parts = [await send(upload, 1, big), await send(upload, 2, small)]
    await t.rejects(text('parts'), refusal(404, 'NoSuchKey'))

    const answer = await complete(upload, parts)

    t.match(answer, { $metadata: { httpStatusCode: 200 }, ETag: /^"[0-9a-f]{32}-2"$/ })
    const found = await client.send(new HeadObjectCommand({ Bucket, Key: 'parts' }))
    t.match(found, {
      ContentLength: big.length + small.length,
      Metadata: { writer: 'me' },
      ETag: answer.ETag
    })
    t.ok((await text('parts')).endsWith('the last part'))
    await t.rejects(
      complete(upload, parts),
      refusal(404, 'NoSuchUpload'),
      'there is nothing to complete again'
    )
    await t.rejects(send(upload, 3, small), refusal(404, 'NoSuchUpload'))
  })

  t.test('parts that do not make an object', async t => {
    const upload = await begin('no-parts')
    const first = await send(upload, 1, small)
    const second = await send(upload, 2, small)

    await t.rejects(complete(upload, [first, second]), refusal(400, 'EntityTooSmall'))
    await t.rejects(complete(upload, [{ ...first, ETag: md5OfOne }]), refusal(400, 'InvalidPart'))
    await t.rejects(complete(upload, [first, { ...second, PartNumber: 3 }]), refusal(400, 'InvalidPart'))
    await t.rejects(complete(upload, [second, first]), refusal(400, 'InvalidPartOrder'))
    t.match(await abort(upload), { $metadata: { httpStatusCode: 204 } })
    await t.rejects(complete(upload, [first]), refusal(404, 'NoSuchUpload'))
    t.match(await abort(upload), { $metadata: { httpStatusCode: 204 } }, 'AWS answers 404 NoSuchUpload')
    await t.rejects(text('no-parts'), refusal(404, 'NoSuchKey'))
  })

  t.test('an object in parts that are copied', async t => {
    await write('source', big)
    const upload = await begin('copied')
    const copy = async (PartNumber: number, source: string, CopySourceRange: string) => {
      const part = { ...upload, PartNumber, CopySource: `${Bucket}/${source}`, CopySourceRange }
      const { CopyPartResult } = await client.send(new UploadPartCopyCommand(part))
      return { PartNumber, ETag: String(CopyPartResult?.ETag) }
    }

    await t.rejects(copy(1, 'not-there', 'bytes=0-9'), refusal(404, 'NoSuchKey'))
    const parts = [
      await copy(1, 'source', `bytes=0-${big.length - 1}`),
      await copy(2, 'source', 'bytes=6-10')
    ]
    await complete(upload, parts)

    t.equal(await text('copied'), `${big}stage`)
  })
}

function probeUploadLists(t: Test, { client, Bucket }: Asker): void {
  t.test('uploads that are not finished: of the bucket, and of one key, but not of a folder', async t => {
    const list = async (Prefix: string) => {
      const { Uploads = [], IsTruncated } = await client.send(
        new ListMultipartUploadsCommand({ Bucket, Prefix })
      )
      t.equal(IsTruncated, false)
      return Uploads.map(({ Key, UploadId }) => `${Key} ${UploadId}`)
    }
    const uploads: { readonly Bucket: string; readonly Key: string; readonly UploadId: string }[] = []
    for (const Key of ['unfinished/a', 'unfinished/a', 'unfinished/b']) {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }))
      uploads.push({ Bucket, Key, UploadId: String(UploadId) })
    }
    const lines = uploads.map(({ Key, UploadId }) => `${Key} ${UploadId}`)

    t.same(await list(''), lines, 'the oldest first')
    t.same(await list('unfinished/a'), lines.slice(0, 2))
    t.same(await list('unfinished/'), [])

    for (const upload of uploads) await client.send(new AbortMultipartUploadCommand(upload))
    t.same(await list(''), [])
  })
}

function probeSignedUrls(t: Test, { client, Bucket, write }: Asker): void {
  t.test('a signed URL opens one object, to read, for a time', async t => {
    await write('signed', '0123456789')
    await write('signed-not', '0123456789')
    const get = new GetObjectCommand({ Bucket, Key: 'signed', ResponseContentType: 'text/x-test' })
    const url = await getSignedUrl(client, get, { expiresIn: 60 })
    const old = await getSignedUrl(client, get, { expiresIn: 60, signingDate: new Date(Date.now() - hourMs) })
    const ask = async (asked: string, init?: RequestInit) => {
      const answer = await fetch(asked, init)
      const text = await answer.text()
      return { status: answer.status, type: answer.headers.get('content-type'), text, code: codeOf(text) }
    }

    t.match(await ask(url), { status: 200, type: 'text/x-test', text: '0123456789' })
    t.match(await ask(url, { headers: { range: 'bytes=7-' } }), { status: 206, text: '789' })
    t.match(await ask(old), { status: 403, code: 'AccessDenied' })
    const isRefused = { status: 403, code: 'SignatureDoesNotMatch' }
    t.match(await ask(url.replace('/signed?', '/signed-not?')), isRefused)
    t.match(await ask(url.replace('text%2Fx-test', 'text%2Fhtml')), isRefused)
    t.match(await ask(url.replace('Expires=60', 'Expires=90')), isRefused)
    t.match(await ask(url, { method: 'PUT', body: 'x' }), isRefused)
    t.match(await ask(url, { method: 'DELETE' }), isRefused)
  })
}

function probeRefusals(t: Test, { client, Bucket, as }: Asker): void {
  const list = (asking: S3Client) => asking.send(new ListObjectsV2Command({ Bucket }))
  const head = (asking: S3Client) => asking.send(new HeadObjectCommand({ Bucket, Key: 'x' }))

  t.test('who may not', async t => {
    const known = await client.config.credentials()
    const stranger = as({ credentials: { ...known, accessKeyId: 'a-stranger-to-the-store' } })
    const guesser = as({ credentials: { ...known, secretAccessKey: 'not-the-secret' } })

    await t.rejects(list(stranger), refusal(403, 'InvalidAccessKeyId'))
    await t.rejects(list(guesser), refusal(403, 'SignatureDoesNotMatch'))
    await t.rejects(head(guesser), refusal(403, 'Unknown'))
    const {
      protocol,
      hostname,
      port = ''
    } = (await client.config.endpoint?.()) ?? { protocol: '', hostname: '' }
    const unsigned = await fetch(`${protocol}//${hostname}:${port}/${Bucket}/x`)
    t.match(
      { status: unsigned.status, code: codeOf(await unsigned.text()) },
      { status: 403, code: 'AccessDenied' }
    )
  })

  t.test('whose clock is wrong', async t => {
    await t.rejects(list(as({ systemClockOffset: hourMs })), refusal(403, 'RequestTimeTooSkewed'))
  })

  t.test('every answer is dated', async t => {
    const dates: number[] = []
    const watched = as({})
    watched.middlewareStack.add(
      next => async args => {
        const output = await next(args)
        const { headers } = output.response as { readonly headers: Readonly<Record<string, string>> }
        dates.push(Date.parse(headers['date'] ?? ''))
        return output
      },
      { step: 'deserialize', priority: 'low' }
    )

    await list(watched)
    await t.rejects(head(watched), refusal(404, 'NotFound'))

    t.equal(dates.length, 2)
    for (const date of dates) t.ok(Math.abs(Date.now() - date) < 60_000, new Date(date).toISOString())
  })
}

/** What the SDK throws. */
function refusal(status: number, name: string) {
  return { name, $metadata: { httpStatusCode: status } }
}

function codeOf(xml: string): string | undefined {
  return /<Code>(\w+)<\/Code>/.exec(xml)?.[1]
}
