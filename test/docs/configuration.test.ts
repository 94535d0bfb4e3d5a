import t from 'tap'
import { clientRows, documentedRows, initRows, serverRows } from '../helpers/documented-tables.ts'

for (const [program, heading, rows] of [
  ['the server', '## Server', serverRows()],
  ['the init container', '## Init container', initRows()],
  ['the client', '## Client', clientRows()]
] as const) {
  t.test(`docs/configuration.md has every option of ${program}, and no other`, async t => {
    t.same(await documentedRows('configuration.md', heading), rows)
  })
}
