import t from 'tap'
import { metricTable } from '../../server/observe/metric-table.ts'
import { call } from '../helpers/call.ts'
import { documentedRows, metricRows } from '../helpers/documented-tables.ts'
import { startServer } from '../helpers/start-server.ts'

t.test('docs/metrics.md and the table of figures say the same', async t => {
  t.same(await documentedRows('metrics.md', '# Metrics'), metricRows())
})

t.test('a server shows the figures of the table, and no other', async t => {
  const server = await startServer(t)

  const text = (await call(server, 'GET', '/metrics')).bytes.toString()

  const shown = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`)
  t.strictSame(
    shown.sort(),
    Object.entries(metricTable)
      .map(([name, { type }]) => `${name} ${type}`)
      .sort()
  )
})
