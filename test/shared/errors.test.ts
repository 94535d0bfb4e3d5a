import t from 'tap'
import { errorTable, quote, StagingError } from '../../shared/errors.ts'

t.test('every row has a status of its own kind, a sentence and what to do', t => {
  for (const [code, { status, sentence, todo }] of Object.entries(errorTable)) {
    t.match(code, /^STAGE_ERR_[A-Z_]+$/)
    t.ok(status >= 400 && status < 600, code)
    t.match(sentence, /^[A-Z].*[^.]$/, code)
    t.match(todo, /^[A-Z].*\S$/s, code)
  }
  t.end()
})

t.test('an error says what it happened to, and keeps its cause to itself', t => {
  const cause = new Error('the secret reason')
  const error = new StagingError('STAGE_ERR_BAD_KIND', { subject: 'x\n', expected: 'a', found: 'b', cause })

  t.equal(error.message, 'Unknown kind of entry: "x\\n"')
  t.equal(error.cause, cause)
  t.strictSame(error.toBody('id-1'), {
    code: 'STAGE_ERR_BAD_KIND',
    message: 'Unknown kind of entry: "x\\n"',
    expected: 'a',
    found: 'b',
    todo: errorTable.STAGE_ERR_BAD_KIND.todo,
    requestId: 'id-1'
  })
  t.end()
})

t.test('an error may have nothing to add to its row', t => {
  const error = new StagingError('STAGE_ERR_INTERNAL')

  t.equal(error.message, 'The server failed')
  t.equal('cause' in error, false)
  t.end()
})

t.test('quoted text is short, and cannot forge a line or move a cursor', t => {
  t.equal(quote('a"b\n\u001b[2J'), '"a\\"b\\n\\u001b[2J"')
  t.equal(quote('\u0085\u2028\u009b'), '"\\u0085\\u2028\\u009b"')
  t.equal(quote('x'.repeat(101)), `"${'x'.repeat(100)}…"`)
  t.equal(quote('abc', 2), '"ab…"')
  t.end()
})
