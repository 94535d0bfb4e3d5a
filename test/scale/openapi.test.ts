import t from 'tap'
import { fuzz } from '../integration/helpers/schemathesis.ts'

for (const isAuthorised of [true, false]) {
  const who = isAuthorised ? 'with' : 'without'
  t.test(
    `for five minutes, whatever is asked ${who} credentials, every answer is as the document says`,
    async t => {
      const { ending, casesCount, answered } = await fuzz(t, { seconds: 300, isAuthorised })

      t.equal(ending.code, 0, 'schemathesis finds nothing') || t.comment(ending.stdout)
      t.comment(`${casesCount} requests made up`)
      t.same(
        answered.filter(({ status }) => status >= 500),
        []
      )
    }
  )
}
