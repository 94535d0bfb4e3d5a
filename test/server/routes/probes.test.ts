import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { secondMs } from '../../../shared/units.ts'
import { call } from '../../helpers/call.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import { startServer, withoutSweeps } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { watchStore } from '../../helpers/watched-store.ts'

t.test('a server that works is live and ready, and being asked leaves nothing', async t => {
  const server = await startServer(t)

  await leavesNothing(t, server, async () => {
    t.strictSame((await call(server, 'GET', '/livez')).json, { status: 'live' })
    const ready = await call(server, 'GET', '/readyz')
    t.equal(ready.status, 200)
    t.strictSame(ready.json, { status: 'ready' })
    t.equal((await call(server, 'HEAD', '/readyz')).status, 200)
  })
})

t.test('a server whose store takes no writes is live and not ready, and says why', async t => {
  const clock = new TestClock()
  const store = { isBroken: true, probesCount: 0 }
  const server = await startServer(t, {
    clock,
    env: withoutSweeps,
    wrapStore: opened =>
      watchStore(opened, {
        before: method => {
          if (method !== 'probe') return
          store.probesCount += 1
          if (store.isBroken) throw new StorageError('broken', '/secret/path: read-only file system')
        }
      })
  })

  const [answer] = await Promise.all([call(server, 'GET', '/readyz'), call(server, 'GET', '/readyz')])
  t.equal(answer.status, 503)
  t.strictSame(answer.json, { status: 'not ready', failed: ['storeWritable'] })
  t.equal((await call(server, 'GET', '/livez')).status, 200)
  t.equal(store.probesCount, 1, 'however often it is asked, the store is tried once')
  t.match(server.logLines.join(''), 'read-only file system')

  store.isBroken = false
  t.equal((await call(server, 'GET', '/readyz')).status, 503)
  clock.advance(2 * secondMs)
  t.equal((await call(server, 'GET', '/readyz')).status, 200)
})

t.test('a server that knows what to do about its store says that, and no name', async t => {
  const todo = 'the bucket does not exist: make it, or name another store'
  const server = await startServer(t, {
    env: withoutSweeps,
    wrapStore: opened =>
      watchStore(opened, {
        before: method => {
          if (method === 'probe')
            throw new StorageError('unavailable', 'secret-bucket: NoSuchBucket', undefined, todo)
        }
      })
  })

  const answer = await call(server, 'GET', '/readyz')

  t.equal(answer.status, 503)
  t.strictSame(answer.json, { status: 'not ready', failed: ['storeWritable'], todo: [todo] })
})

t.test('a server without any signing key is not ready', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  await rm(join(server.keysDirectory, 'key-1'))
  clock.advance(10 * secondMs)

  const answer = await call(server, 'GET', '/readyz')

  t.equal(answer.status, 503)
  t.strictSame(answer.json, { status: 'not ready', failed: ['keyPresent'] })
})

t.test('probes are only looked at', async t => {
  const server = await startServer(t)

  for (const path of ['/livez', '/readyz']) {
    isRefusal(t, await call(server, 'POST', path), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
  }
})
