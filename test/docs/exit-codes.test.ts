import { readFile } from 'node:fs/promises'
import t from 'tap'
import { exitCodes } from '../../shared/exit-codes.ts'

t.test('docs/exit-codes.md and the table of exit codes say the same', async t => {
  const page = await readFile(new URL('../../docs/exit-codes.md', import.meta.url), 'utf8')

  const documented = page.split('\n').filter(line => /^\| \d/.test(line))

  const rows = Object.entries(exitCodes).map(
    ([cause, { code, meaning }]) => `| ${code} | \`${cause}\` | ${meaning} |`
  )
  t.same(documented, rows)
})
