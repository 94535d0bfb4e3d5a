import t from 'tap'
import { documentedRows, errorRows } from '../helpers/documented-tables.ts'

t.test('docs/errors.md and the error table say the same', async t => {
  t.same(await documentedRows('errors.md', '## Codes'), errorRows())
})
