import t from 'tap'
import { problemTable } from '../../server/staging/verification/findings.ts'
import { documentedRows } from '../helpers/documented-tables.ts'

t.test('docs/operations.md has every problem that verify tells of, and no other', async t => {
  const rows = Object.entries(problemTable).map(
    ([problem, { severity, sentence, todo }]) => `| \`${problem}\` | ${severity} | ${sentence} | ${todo} |`
  )

  t.same(await documentedRows('operations.md', '## Is the store whole? `verify`'), rows)
})
