import t from 'tap'
import { auditTable } from '../../server/observe/audit.ts'
import { fuzz } from './helpers/schemathesis.ts'

/** What a made-up request cannot do: send the bytes of a digest that it made up; and what no request does. */
const beyondReach = ['upload', 'remove']

t.test('whatever is asked with valid credentials, every answer is as the document says', async t => {
  const { ending, casesCount, answered } = await fuzz(t, { seconds: 50, isAuthorised: true })

  t.equal(ending.code, 0, 'schemathesis finds nothing') || t.comment(ending.stdout)
  t.comment(`${casesCount} requests made up`)
  t.ok(casesCount > 500)
  t.same(
    answered.filter(({ status }) => status >= 500),
    []
  )
  const done = new Set(answered.filter(({ outcome }) => outcome === 'done').map(({ action }) => action))
  for (const action of Object.keys(auditTable).filter(name => !beyondReach.includes(name))) {
    t.ok(done.has(action), `${action} was done, not only refused`)
  }
})

t.test('without a credential every answer is as the document says, and nothing is given away', async t => {
  const { ending, casesCount, answered } = await fuzz(t, { seconds: 20, isAuthorised: false })

  t.equal(ending.code, 0, 'schemathesis finds nothing') || t.comment(ending.stdout)
  t.comment(`${casesCount} requests made up`)
  const guarded = answered.filter(({ path }) => path.startsWith('/api/v1/'))
  t.ok(guarded.length > 100)
  t.same(
    guarded.filter(({ status }) => status < 400 || status >= 500),
    []
  )
})
