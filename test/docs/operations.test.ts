import { readFile } from 'node:fs/promises'
import t from 'tap'
import { auditTable } from '../../server/observe/audit.ts'
import { type AuditLine, doAll } from '../helpers/audited-actions.ts'
import { auditRows, documentedRows } from '../helpers/documented-tables.ts'

const heading = '## Who did what: the audit'

/** What every line of the log has, and every line about a request. */
const ofLogs = ['level', 'time', 'pid', 'hostname', 'msg']
const ofRequests = ['reqId', 'method', 'path', 'status', 'ms']
const ofAudits = ['action', 'outcome', 'namespace', 'bundleId']

t.test('docs/operations.md and the table of what is audited say the same', async t => {
  t.same(await documentedRows('operations.md', heading), auditRows())
})

t.test(
  'every action has a line with the fields that the table says, and one like it on the page',
  async t => {
    const lines = await doAll(t)
    const examples = await documentedLines()

    t.strictSame(
      lines.map(({ action }) => action),
      Object.keys(auditTable)
    )
    for (const [index, line] of lines.entries()) {
      const { fields } = auditTable[line.action as keyof typeof auditTable]
      const common = line.action === 'remove' ? ofLogs : [...ofLogs, ...ofRequests]
      t.strictSame(Object.keys(line).sort(), [...common, ...ofAudits, ...fields].sort(), line.action)
      t.strictSame(Object.keys(examples[index] ?? {}), Object.keys(line), `the example of ${line.action}`)
      t.match(line, { outcome: 'done', namespace: 'team-a', bundleId: /^[0-9a-f]{32}$/ })
    }
  }
)

async function documentedLines(): Promise<readonly AuditLine[]> {
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  return page
    .split('\n')
    .filter(line => line.startsWith('{"level"'))
    .map(line => JSON.parse(line))
}
