import t from 'tap'
import { exitCodes } from '../../shared/exit-codes.ts'

t.test('every cause has an exit code of its own that no shell uses', t => {
  const codes = Object.values(exitCodes).map(({ code }) => code)

  t.equal(new Set(codes).size, codes.length)
  for (const code of codes) t.ok(code >= 0 && code < 126)
  t.end()
})
