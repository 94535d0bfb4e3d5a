import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { dataKey, hintKey, leaseKey } from '../../../server/staging/keys.ts'
import { bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { call, download, stage, upload } from '../../helpers/call.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { replaceMethods } from '../../helpers/replaced-store.ts'
import { credential, sha256, startServer, type TestServer } from '../../helpers/start-server.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const digest = sha256('bytes')
const entry = { kind: 'files', name: 'a', sizeBytes: 5, sha256: digest }

async function missingOf(
  server: TestServer,
  namespace = 'team-a',
  changes: object = {}
): Promise<readonly string[]> {
  const answer = await upload(server, 'POST', bundlesPath(namespace), { entries: [{ ...entry, ...changes }] })
  return answer.json.missing
}

t.test('bytes that a namespace has are not asked for again, and those of another are', async t => {
  const server = await startServer(t)
  const first = await stage(server, [['files', 'a', 'bytes']])
  await stage(server, [['files', 'a', 'elsewhere']], { namespace: 'team-b' })
  const entries = ['bytes', 'elsewhere'].map(name => ({
    ...entry,
    name,
    sizeBytes: name.length,
    sha256: sha256(name)
  }))
  const declare = (namespace: string) => upload(server, 'POST', bundlesPath(namespace), { entries })

  const same = await declare('team-a')
  const other = await declare('team-b')

  t.strictSame(same.json.missing, [sha256('elsewhere')])
  t.strictSame(other.json.missing, [digest])

  await t.test('and they stay when the first bundle goes', async t => {
    const draft = (await upload(server, 'POST', bundlesPath('team-a'), { entries: [entry] })).json
    await upload(server, 'DELETE', bundlePath('team-a', first.json.bundleId))

    const { token } = (await upload(server, 'POST', `${bundlePath('team-a', draft.bundleId)}/commit`)).json

    t.equal((await download(server, draft.bundleId, token, '/entries/files/a')).bytes.toString(), 'bytes')
    t.strictSame(await missingOf(server), [])
  })
})

t.test('bytes of revoked bundles are asked for again', async t => {
  const server = await startServer(t)
  const { bundleId } = (await stage(server, [['files', 'a', 'bytes']])).json
  await upload(server, 'DELETE', bundlePath('team-a', bundleId))

  t.strictSame(await missingOf(server), [digest])
})

t.test('a hint is only where to look', async t => {
  const server = await startServer(t)
  const { bundleId } = (await stage(server, [['files', 'a', 'bytes']])).json
  const other = (await stage(server, [['files', 'a', 'others']])).json
  await stage(server, [['files', 'a', 'bytes']], { namespace: 'team-b' })
  const hint = (text: string, namespace = 'team-a') =>
    writeFile(join(server.folder, hintKey(namespace, digest)), text)
  t.strictSame(await missingOf(server), [])

  await t.test('one that leads into another namespace gives nothing away', async t => {
    await hint(`${bundleId} 0`, 'team-b')
    t.strictSame(await missingOf(server, 'team-b'), [digest])
  })
  await t.test('one that cannot be read, or leads nowhere, costs an upload', async t => {
    for (const text of [
      '',
      'nonsense',
      `${bundleId}`,
      `../../${bundleId} 0`,
      `${bundleId} 7`,
      `${'0'.repeat(32)} 0`
    ]) {
      await hint(text)
      t.strictSame(await missingOf(server), [digest], text)
    }
  })
  await t.test('one to a bundle that has other bytes costs an upload', async t => {
    await hint(`${other.bundleId} 0`)
    t.strictSame(await missingOf(server), [digest])
  })
  await t.test('one to bytes that are gone costs an upload', async t => {
    await hint(`${bundleId} 0`)
    await rm(join(server.folder, dataKey({ bundleId, attempt: 0 }, 0)))
    t.strictSame(await missingOf(server), [digest])
  })
})

t.test('bytes are not taken for others of the same digest and another size', async t => {
  const server = await startServer(t)
  await stage(server, [['files', 'a', 'bytes']])

  t.strictSame(await missingOf(server, 'team-a', { sizeBytes: 6 }), [digest])
})

t.test('where the store cannot share bytes, they are asked for', async t => {
  const server = await startServer(t, {
    wrapStore: store => replaceMethods(store, { copy: async () => false })
  })
  await stage(server, [['files', 'a', 'bytes']])

  t.strictSame(await missingOf(server), [digest])
})

t.test('a draft is not its own source', async t => {
  const server = await startServer(t)
  const declare = () =>
    call(server, 'POST', bundlesPath('team-a'), {
      headers: {
        authorization: `Bearer ${credential}`,
        'content-type': 'application/json',
        'idempotency-key': 'k'
      },
      body: JSON.stringify({ entries: [entry] })
    })
  const { bundleId } = (await declare()).json
  const put = await call(server, 'PUT', `${bundlePath('team-a', bundleId)}/blobs/${digest}`, {
    headers: { authorization: `Bearer ${credential}` },
    body: 'bytes'
  })
  t.equal(put.status, 201)
  await rm(join(server.folder, dataKey({ bundleId, attempt: 0 }, 0)))

  t.strictSame((await declare()).json, { bundleId, missing: [digest] })
})

t.test('the newest bundle is the one a hint leads to, since it stays longest', async t => {
  const server = await startServer(t)
  const first = (await stage(server, [['files', 'a', 'bytes']])).json
  await stage(server, [['files', 'a', 'bytes']])
  await upload(server, 'DELETE', bundlePath('team-a', first.bundleId))

  t.strictSame(await missingOf(server), [])
})

t.test(
  'a bug in the middle of a claim is not taken for a lost hint, and leaves the draft to its sweep',
  async t => {
    const server = await startServer(t, {
      wrapStore: store =>
        watchStore(store, {
          before: (method, [key]) => {
            if (method === 'create' && String(key).startsWith('hints/')) throw new TypeError('a bug')
          }
        })
    })

    isRefusal(t, await stage(server, [['files', 'a', 'bytes']]), { status: 500, code: 'STAGE_ERR_INTERNAL' })
  }
)

t.test('a store that cannot be read while bytes are claimed fails the declaration', async t => {
  const server = await startServer(t, {
    wrapStore: store =>
      replaceMethods(store, {
        copy: async () => {
          throw new TypeError('as the test wants it')
        }
      })
  })
  await stage(server, [['files', 'a', 'bytes']])

  const answer = await upload(server, 'POST', bundlesPath('team-a'), { entries: [entry] })

  isRefusal(t, answer, { status: 500, code: 'STAGE_ERR_INTERNAL' })
  t.match(server.logLines.join(''), 'as the test wants it')
})

t.test('a draft of which only the lease was written is none: nobody was told of it', async t => {
  const server = await startServer(t)
  const { bundleId } = (await upload(server, 'POST', bundlesPath('team-a'), { entries: [entry] })).json
  const copyId = '1'.repeat(32)
  const lease = await server.store.read(leaseKey(bundleId))
  await server.store.create(leaseKey(copyId), lease.text)

  const answer = await upload(server, 'POST', `${bundlePath('team-a', copyId)}/commit`)

  isRefusal(t, answer, { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
})

t.test('two commits at once are one commit', async t => {
  let commitMeanwhile: (() => Promise<unknown>) | undefined
  const server = await startServer(t, {
    wrapStore: store =>
      watchStore(store, {
        before: async (method, [key]) => {
          if (method !== 'replace' || !String(key).endsWith('/lease.json')) return
          const commit = commitMeanwhile
          commitMeanwhile = undefined
          await commit?.()
        }
      })
  })
  await stage(server, [['files', 'a', 'bytes']])
  const { bundleId } = (await upload(server, 'POST', bundlesPath('team-a'), { entries: [entry] })).json
  const commit = () => upload(server, 'POST', `${bundlePath('team-a', bundleId)}/commit`)
  let inner: Awaited<ReturnType<typeof commit>> | undefined
  commitMeanwhile = async () => {
    inner = await commit()
  }

  const outer = await commit()

  t.equal(outer.status, 200)
  t.equal(inner?.status, 200)
  t.equal(outer.json.expiresAt, inner?.json.expiresAt)
})
