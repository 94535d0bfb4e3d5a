import t from 'tap'
import { Patience, RetryableError } from '../../client/retry.ts'

const never = new AbortController().signal

/** A patience on a clock of its own, and what it did. */
function patience(giveUpMs: number) {
  let nowMs = 0
  const waits: number[] = []
  const lines: string[] = []
  const clock = {
    now: () => nowMs,
    wait: async (ms: number) => {
      waits.push(ms)
      nowMs += ms
    }
  }
  const onRetry = (line: string) => lines.push(line)
  return {
    patience: new Patience({ giveUpMs, onRetry, clock }),
    waits,
    lines,
    pass: (ms: number) => (nowMs += ms)
  }
}

t.test('what fails in passing is tried again and each wait is told', async t => {
  const { patience: patient, waits, lines } = patience(60_000)
  let attempts = 0

  const result = await patient.retry(async () => {
    attempts += 1
    if (attempts < 4) throw new RetryableError('the server sleeps')
    return 'done'
  }, never)

  t.equal(result, 'done')
  t.equal(waits.length, 3)
  for (const [index, ms] of waits.entries()) t.ok(ms <= 250 * 2 ** index, `wait ${index} is ${ms}`)
  t.match(lines[0], /^the server sleeps; asking again in \d\.\d s$/)
})

t.test('Retry-After is waited for at least', async t => {
  const { patience: patient, waits } = patience(60_000)
  const failures = [new RetryableError('busy', 2000), new RetryableError('busy', 5000)]

  await patient.retry(async () => {
    const failure = failures.shift()
    if (failure !== undefined) throw failure
  }, never)

  t.ok((waits[0] ?? 0) >= 2000 && (waits[0] ?? 0) <= 2250, `first wait ${waits[0]}`)
  t.ok((waits[1] ?? 0) >= 5000 && (waits[1] ?? 0) <= 5500, `second wait ${waits[1]}`)
})

t.test('a Retry-After beyond the patience ends at once and says so', async t => {
  const { patience: patient, waits } = patience(60_000)

  const asked = patient.retry(() => Promise.reject(new RetryableError('busy', 90_000)), never)

  await t.rejects(asked, {
    exitCause: 'gaveUp',
    message: 'gave up after 60 s without progress: busy (asked to wait another 90 s)'
  })
  t.strictSame(waits, [])
})

t.test('without progress it ends once the time is over, and not later', async t => {
  const { patience: patient, waits } = patience(30_000)

  await t.rejects(
    patient.retry(() => Promise.reject(new RetryableError('no answer')), never),
    {
      exitCause: 'gaveUp',
      message: 'gave up after 30 s without progress: no answer'
    }
  )

  t.ok(waits.reduce((sum, ms) => sum + ms, 0) <= 30_000)
})

t.test('progress starts the time anew', async t => {
  const { patience: patient, pass } = patience(30_000)
  let attempts = 0

  await patient.retry(async () => {
    attempts += 1
    pass(20_000)
    if (attempts === 1) patient.progress()
    if (attempts < 3) throw new RetryableError('cut')
  }, never)

  t.equal(attempts, 3)
})

t.test('anything else ends it at once', async t => {
  const { patience: patient, waits } = patience(30_000)

  await t.rejects(
    patient.retry(() => Promise.reject(new TypeError('a fault')), never),
    { name: 'TypeError' }
  )

  t.strictSame(waits, [])
})

t.test('the real clock waits and can be stopped', async t => {
  const stop = new AbortController()
  const patient = new Patience({ giveUpMs: 60_000, onRetry: () => setImmediate(() => stop.abort()) })

  await t.rejects(
    patient.retry(() => Promise.reject(new RetryableError('busy', 30_000)), stop.signal),
    { name: 'AbortError' }
  )
})
