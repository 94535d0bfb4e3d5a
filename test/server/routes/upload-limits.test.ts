import t from 'tap'
import { blobPath, bundlesPath } from '../../../shared/paths.ts'
import { stage, upload } from '../../helpers/call.ts'
import {
  exchange,
  filePart,
  openSocket,
  postMultipart,
  readAnswer,
  requestHead
} from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing, type Refusal } from '../../helpers/refusals.ts'
import { replaceMethods } from '../../helpers/replaced-store.ts'
import { sha256, startServer } from '../../helpers/start-server.ts'

const server = await startServer(t, { env: { SPARK_STAGE_MAX_UPLOAD_BYTES: '1000' } })

const tooLarge = (found: string): Refusal => ({
  status: 413,
  code: 'STAGE_ERR_TOO_LARGE',
  expected: 'at most 1000 bytes in all',
  found
})

t.test('a file that is one byte too large is refused, and nothing is stored', async t => {
  await leavesNothing(t, server, async () => {
    const answer = await stage(server, [['files', 'a', 'x'.repeat(1001)]])

    isRefusal(t, answer, tooLarge('more bytes'))
  })
})

t.test('a file much larger than the limit is refused as soon as that is known', async t => {
  await leavesNothing(t, server, async () => {
    const lines = ['Content-Type: multipart/form-data; boundary=B', 'Content-Length: 1000000000']
    const socket = openSocket(server)
    socket.write(
      requestHead('POST', bundlesPath('team-a'), lines) + filePart('files', 'a', 'x'.repeat(100_000))
    )

    const answer = await readAnswer(socket)

    isRefusal(t, answer, tooLarge('more bytes'))
    t.match(answer.head, /\r\nconnection: close/)
  })
})

t.test('files that are too large together are refused, and nothing is stored', async t => {
  await leavesNothing(t, server, async () => {
    const answer = await stage(server, [
      ['files', 'a', 'x'.repeat(600)],
      ['files', 'b', 'y'.repeat(401)]
    ])

    isRefusal(t, answer, tooLarge('more bytes'))
  })
})

t.test('a repeated request that has grown too large is refused, and the bundle stays', async t => {
  const staged = await stage(server, [['files', 'a', '1']], { key: 'grows' })

  await leavesNothing(t, server, async () => {
    const answer = await stage(server, [['files', 'a', 'x'.repeat(1001)]], { key: 'grows' })

    isRefusal(t, answer, tooLarge('1001 bytes'))
  })

  t.equal(
    (await upload(server, 'POST', `${bundlesPath('team-a')}/${staged.json.bundleId}/token`)).status,
    200
  )
})

t.test('files that just fit are staged', async t => {
  const answer = await stage(server, [
    ['files', 'a', 'x'.repeat(600)],
    ['files', 'b', 'y'.repeat(400)]
  ])

  t.equal(answer.status, 201)
})

t.test('a draft that is too large in all is refused, and nothing is stored', async t => {
  const entries = ['1', '2'].map(name => ({ kind: 'files', name, sizeBytes: 501, sha256: sha256(name) }))

  await leavesNothing(t, server, async () => {
    const answer = await upload(server, 'POST', bundlesPath('team-a'), { entries })

    isRefusal(t, answer, tooLarge('1002 bytes'))
  })
})

t.test('equal bytes count once, since they are stored once', async t => {
  const entries = ['1', '2'].map(name => ({ kind: 'files', name, sizeBytes: 501, sha256: sha256('same') }))

  const answer = await upload(server, 'POST', bundlesPath('team-a'), { entries })

  t.equal(answer.status, 201)
})

t.test('a body much larger than its draft announced is refused as soon as that is known', async t => {
  const digest = sha256('hello')
  const entries = [{ kind: 'files', name: 'a', sizeBytes: 5, sha256: digest }]
  const draft = await upload(server, 'POST', bundlesPath('team-a'), { entries })

  await leavesNothing(t, server, async () => {
    const path = blobPath('team-a', draft.json.bundleId, digest)
    const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`

    const answer = await exchange(server, requestHead('PUT', path, ['Transfer-Encoding: chunked']) + chunk)

    isRefusal(t, answer, { status: 422, code: 'STAGE_ERR_SIZE', expected: '5 bytes', found: 'more bytes' })
    t.match(answer.head, /\r\nconnection: close/)
  })
})

t.test('10,001 parts are refused, and nothing is stored', async t => {
  // The bytes themselves are beside the point here, and syncing ten thousand files takes its time.
  const quick = await startServer(t, {
    wrapStore: store =>
      replaceMethods(store, {
        put: async (_key, source) => {
          for await (const _chunk of source);
          return { sizeBytes: 1, sha256: sha256('1') }
        }
      })
  })
  const parts = Array.from({ length: 10_001 }, (_, number) => filePart('files', String(number), '1'))

  await leavesNothing(t, quick, async () => {
    const answer = await postMultipart(quick, `${parts.join('')}--B--\r\n`)

    isRefusal(t, answer, {
      status: 413,
      code: 'STAGE_ERR_TOO_MANY_ENTRIES',
      expected: 'at most 10000 entries',
      found: '10001 entries'
    })
  })
})
