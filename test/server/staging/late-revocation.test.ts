import t from 'tap'
import { bundlePath } from '../../../shared/paths.ts'
import { minuteMs } from '../../../shared/units.ts'
import { stage, upload } from '../../helpers/call.ts'
import { startServer } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'

t.test('a bundle that is revoked in its last hour is forgotten with its last token', async t => {
  const clock = new TestClock(Date.UTC(2026, 0, 10, 12))
  const server = await startServer(t, { clock, env: { SPARK_STAGE_MAX_BUNDLE_AGE_SECONDS: '600' } })
  const { bundleId } = (await stage(server, [['files', 'a.txt', 'bytes']])).json

  await upload(server, 'DELETE', bundlePath('team-a', bundleId))
  const markers = (await server.files()).filter(path => path.startsWith('due/'))
  clock.advance(11 * minuteMs)

  t.ok(markers.includes(`due/2026-01-10T12/${bundleId}`))
  await until(async () => !(await server.files()).some(path => path.startsWith('bundles/')))
})
