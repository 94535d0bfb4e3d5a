import t from 'tap'
import { forkDefaults, forkKeys } from '../../shared/fork-keys.ts'
import { documentedRows } from '../helpers/documented-tables.ts'

t.test('docs/fork.md has every key of the fork that is read, with its default, and no other', async t => {
  const heading = "## The init container: in place of the fork's image"
  const documented = (await documentedRows('fork.md', heading)).map(row => row.split('|').slice(1, 3))

  const defaults: Readonly<Record<string, string>> = forkDefaults
  const expected = Object.entries(forkKeys).map(([name, key]) => [
    ` \`${key}\` `,
    defaults[name] === undefined ? ' ' : ` \`${defaults[name]}\` `
  ])
  t.same(documented, expected)
})
