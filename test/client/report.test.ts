import t from 'tap'
import { chooseStyle, isRich } from '../../client/report.ts'

t.test('JSON is quiet, a terminal gets a bar, a log gets lines', async t => {
  t.equal(chooseStyle(true, true), 'quiet')
  t.equal(chooseStyle(false, true), 'bar')
  t.equal(chooseStyle(false, undefined), 'lines')
})

t.test('colours are for terminals whose user wants them', async t => {
  t.equal(isRich(true, undefined), true)
  t.equal(isRich(true, ''), true)
  t.equal(isRich(true, '1'), false)
  t.equal(isRich(undefined, undefined), false)
})
