import t from 'tap'
import { retryEach } from '../../../server/storage/s3-retries.ts'
import { openBucket } from './opened-bucket.ts'

type Failure = Parameters<ReturnType<typeof retryEach>['refreshRetryTokenForRetry']>[1]

// A boundary: the SDK's errors say more, of which nothing is asked here.
const throttled = { errorType: 'THROTTLING', error: new Error('SlowDown') } as Failure

t.test('a request is sent again so many times, each after a longer pause at most', async t => {
  const retries = retryEach(4)
  let token = await retries.acquireInitialRetryToken('')
  t.same([token.getRetryCount(), token.getRetryDelay()], [0, 0])

  for (const mostMs of [200, 400, 800]) {
    token = await retries.refreshRetryTokenForRetry(token, throttled)
    t.ok(token.getRetryDelay() <= mostMs, `${token.getRetryDelay()} ms of ${mostMs}`)
  }

  await t.rejects(retries.refreshRetryTokenForRetry(token, throttled), new Error('SlowDown'))
})

t.test('the pause is as long as S3 asks for, within reason', async t => {
  const retries = retryEach(2)
  const token = await retries.acquireInitialRetryToken('')
  const askFor = async (ms: number) =>
    (
      await retries.refreshRetryTokenForRetry(token, {
        ...throttled,
        retryAfterHint: new Date(Date.now() + ms)
      })
    ).getRetryDelay()

  const delayMs = await askFor(3000)
  t.ok(delayMs > 1000 && delayMs <= 3000, `${delayMs} ms`)
  t.equal(await askFor(60_000), 5000)
})

t.test('what is no better the next time is not sent again', async t => {
  const retries = retryEach(5)
  const refused = { errorType: 'CLIENT_ERROR', error: new Error('AccessDenied') } as Failure
  const token = await retries.acquireInitialRetryToken('')

  await t.rejects(retries.refreshRetryTokenForRetry(token, refused), new Error('AccessDenied'))
})

t.test('throttling is got through for as long as it lasts', async t => {
  const { fake, driver } = await openBucket(t, {}, { maxAttempts: 20 })
  const keys = Array.from({ length: 150 }, (_, number) => `due/${number}`)
  // The SDK's own budget is used up by the first hundred.
  fake.fail('PutObject', { status: 503, code: 'SlowDown' }, keys.length)

  const created = await Promise.all(keys.map(key => driver.create(key, '')))

  t.ok(created.every(isCreated => isCreated))
  t.equal(fake.requests.filter(({ operation }) => operation === 'PutObject').length, 2 * keys.length)
})
