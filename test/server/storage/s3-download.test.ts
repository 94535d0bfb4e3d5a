import { Readable, Writable } from 'node:stream'
import t from 'tap'
import { sendBody } from '../../../server/storage/s3-download.ts'

const never = new AbortController().signal

t.test('a body that falls silent is given up', async t => {
  const body = new Readable({ read() {} })
  body.push('half of it')
  const written: string[] = []
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      written.push(String(chunk))
      done()
    }
  })

  await t.rejects(sendBody(body, sink, never, 'data/0', 1), {
    failure: 'unavailable',
    message: /^read data\/0: /,
    cause: { message: 'nothing came for 1 ms' }
  })

  t.same(written, ['half of it'])
  t.equal(body.destroyed, true)
})
