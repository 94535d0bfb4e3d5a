import t from 'tap'
import { GiB, minuteMs, secondMs } from '../../shared/units.ts'
import { killInTheMiddle, uploadLarge } from '../integration/helpers/large-upload.ts'
import { submitMany } from '../integration/helpers/many-submissions.ts'
import { fetchRedirected } from '../integration/helpers/redirected-fetch.ts'
import { killReplicas } from '../integration/helpers/replica-kills.ts'
import { loseStore } from '../integration/helpers/store-outage.ts'
import { sweepAmong } from '../integration/helpers/sweep-requests.ts'

t.test('200 submissions at once, of 1 KB to 200 MB, 4 GB in all', t => submitMany(t, 0.8))

t.test('one of three servers killed every 5 s for two minutes: nothing fails, is lost, or is left', t =>
  killReplicas(t, 2 * minuteMs)
)

t.test('a store that is silent or gone for 30 s, or throttles for a minute: nothing fails or is removed', t =>
  loseStore(t, { silentMs: 30 * secondMs, goneMs: 30 * secondMs, throttledMs: minuteMs })
)

t.test('5 GiB go through servers that need little memory', t => uploadLarge(t, 5 * GiB))

t.test('of 5 GiB whose server was killed in the middle, nothing is left after the sweep', t =>
  killInTheMiddle(t, 5 * GiB)
)

t.test('a sweep of 100 due bundles costs the same requests with 1,000 and with 100,000 stored', t =>
  sweepAmong(t, 1000, 100_000)
)

t.test('a redirected fetch that is cut after its URL has expired goes on by a new one', async t => {
  const { asked } = await fetchRedirected(t, {
    sizeBytes: 500_000_000,
    isOn: true,
    cutAfterMs: 130 * secondMs
  })

  t.equal(asked.length, 2)
  t.not(asked[0]?.signature, asked[1]?.signature)
  t.match(asked[1]?.range, /^bytes=[1-9]\d*-/, 'what had come is not asked for again')
})
