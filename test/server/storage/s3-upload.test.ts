import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { PartBuffers } from '../../../server/storage/part-buffers.ts'
import { partBytes, type UploadTarget, uploadStream } from '../../../server/storage/s3-upload.ts'
import { KiB, MiB } from '../../../shared/units.ts'
import { until } from '../../helpers/until.ts'

const never = new AbortController().signal
const generous = { limitBytes: 64 * MiB }

/** Tells that somebody was asked to do without a buffer. */
class WatchedBuffers extends PartBuffers {
  readonly asked = Promise.withResolvers<void>()

  override take(signal: AbortSignal, spare: () => void): Promise<Buffer> {
    return super.take(signal, () => {
      spare()
      this.asked.resolve()
    })
  }
}

t.test('a slow client with the last buffer lets others through, and loses nothing', async t => {
  const buffers = new PartBuffers(partBytes, 1, 1)
  const slow = new Readable({ read() {} })
  const [slowTarget, quickTarget] = [keptParts(), keptParts()]
  const piece = (text: string) => Buffer.alloc(100 * KiB, text)
  slow.push(piece('a'))
  const slowUpload = uploadStream(slowTarget, slow, generous, never, buffers)

  const body = Buffer.alloc(partBytes + 17, 'quick')
  await uploadStream(quickTarget, Readable.from([Buffer.from(body)]), generous, never, buffers)
  slow.push(piece('b'))
  slow.push(piece('c'))
  slow.push(null)
  await slowUpload

  t.ok(quickTarget.whole().equals(body))
  t.ok(slowTarget.whole().equals(Buffer.concat(['a', 'b', 'c'].map(piece))))
})

t.test('who has much of a part already keeps the buffer', async t => {
  const buffers = new WatchedBuffers(partBytes, 1, 1)
  const slow = new Readable({ read() {} })
  const slowTarget = keptParts()
  const gone = new AbortController()
  const body = Buffer.alloc(2 * MiB, 'slow')
  slow.push(Buffer.from(body))
  const slowUpload = uploadStream(slowTarget, slow, generous, never, buffers)

  const waiting = uploadStream(
    keptParts(),
    Readable.from([Buffer.alloc(MiB)]),
    generous,
    gone.signal,
    buffers
  )
  await buffers.asked.promise
  gone.abort(new Error('waited long enough'))
  await t.rejects(waiting, { message: 'waited long enough' })
  slow.push(null)
  await slowUpload

  t.ok(slowTarget.whole().equals(body))
})

t.test('a slow client that was through with some parts goes on where it was', async t => {
  const buffers = new PartBuffers(partBytes, 1, 1)
  const slow = new Readable({ read() {} })
  const slowTarget = keptParts()
  const body = Buffer.alloc(partBytes + 300 * KiB, 'slow ')
  slow.push(Buffer.from(body))
  const slowUpload = uploadStream(slowTarget, slow, generous, never, buffers)

  const other = keptParts()
  await uploadStream(other, Readable.from([Buffer.alloc(MiB, 'x')]), generous, never, buffers)
  slow.push(null)
  await slowUpload

  t.ok(slowTarget.whole().equals(body))
  t.equal(other.whole().length, MiB)
})

t.test('one upload to a store that does not answer leaves others a buffer', async t => {
  const buffers = new PartBuffers(partBytes, 6)
  const answers = Promise.withResolvers<void>()
  let sendingCount = 0
  const kept = keptParts()
  const slowTarget: UploadTarget = {
    ...kept,
    sendPart: async (...args) => {
      sendingCount += 1
      await answers.promise
      return kept.sendPart(...args)
    }
  }
  const long = Buffer.alloc(8 * partBytes, 'long ')
  const longUpload = uploadStream(slowTarget, Readable.from(pieces(long)), generous, never, buffers)
  await until(() => sendingCount === 4)

  const other = keptParts()
  await uploadStream(other, Readable.from([Buffer.alloc(MiB, 'x')]), generous, never, buffers)
  t.equal(other.whole().length, MiB)
  t.equal(sendingCount, 4)

  answers.resolve()
  await longUpload
  t.ok(kept.whole().equals(long))
})

t.test('what is being sent stays as it is, however many wait', async t => {
  const buffers = new WatchedBuffers(partBytes, 2, 1)
  await buffers.take(never, () => {})
  const body = Buffer.alloc(100 * KiB, 'whole')
  const target = keptParts()
  let next: Promise<unknown> = Promise.resolve()
  const slowTarget: UploadTarget = {
    ...target,
    async putWhole(sent) {
      next = buffers.take(never, () => {}).then(buffer => buffer.fill('another'))
      await buffers.asked.promise
      await setImmediate()
      await target.putWhole(sent)
    }
  }

  await uploadStream(slowTarget, Readable.from([Buffer.from(body)]), generous, never, buffers)
  await next

  t.ok(target.whole().equals(body))
})

/** A target that keeps copies of what it is given, in order. */
function keptParts(): UploadTarget & { whole(): Buffer } {
  const parts: Buffer[] = []
  return {
    putWhole: async body => void parts.push(Buffer.from(body)),
    begin: async () => 'upload',
    sendPart: async (_uploadId, number, body) => {
      parts[number - 1] = Buffer.from(body)
      return `"${number}"`
    },
    complete: async () => {},
    abort: async () => {},
    whole: () => Buffer.concat(parts)
  }
}

/** As the network brings them: copies, since whoever takes a chunk may use its memory. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += MiB) yield Buffer.from(bytes.subarray(at, at + MiB))
}
