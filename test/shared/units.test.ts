import t from 'tap'
import { blobPath, bundlePath, bundlesPath, entryPath, manifestPath } from '../../shared/paths.ts'
import { dayMs, formatBytes, formatDuration, GiB, KiB, MiB, minuteMs } from '../../shared/units.ts'

t.test('sizes are shown as people read them', t => {
  t.strictSame([0, 17, 1023, KiB, 1.5 * MiB, 3 * GiB, 5000 * GiB, 5e6 * GiB].map(formatBytes), [
    '0 B',
    '17 B',
    '1023 B',
    '1.0 KiB',
    '1.5 MiB',
    '3.0 GiB',
    '4.9 TiB',
    '4882.8 TiB'
  ])
  t.equal(dayMs, 86_400_000)
  t.end()
})

t.test('durations are told in their largest unit of which there are two', t => {
  t.equal(formatDuration(0), '0 s')
  t.equal(formatDuration(119_999), '119 s')
  t.equal(formatDuration(90 * minuteMs), '90 min')
  t.equal(formatDuration(6.9 * dayMs), '6 d')
  t.end()
})

t.test('whatever stands in a path is one component of it', t => {
  t.equal(bundlesPath('../x'), '/api/v1/namespaces/..%2Fx/bundles')
  t.equal(bundlePath('n', 'a/b'), '/api/v1/namespaces/n/bundles/a%2Fb')
  t.equal(blobPath('n', 'b', '?'), '/api/v1/namespaces/n/bundles/b/blobs/%3F')
  t.equal(manifestPath('n', '#'), '/api/v1/bundles/n/%23')
  t.equal(entryPath('n', 'b', 'files/a b%'), '/api/v1/bundles/n/b/entries/files/a%20b%25')
  t.end()
})
