import t from 'tap'
import { ClientError, checkNamed, exitCodeOf } from '../../client/client-error.ts'
import { checkNamespace } from '../../shared/names.ts'

t.test('a name that the rules refuse is a wrong option, in the words of the error table', async t => {
  t.equal(
    checkNamed('--namespace', () => checkNamespace('team-a')),
    'team-a'
  )
  t.throws(() => checkNamed('--namespace', () => checkNamespace('Team')), {
    exitCause: 'usage',
    message:
      /^--namespace: .*\n {2}expected: .*\n {2}found: "Team"\n {2}what to do: Use the name of a Kubernetes/
  })
})

t.test('a fault in a check stays what it is', async t => {
  const fault = new TypeError('a fault')

  t.throws(
    () =>
      checkNamed('--namespace', () => {
        throw fault
      }),
    fault
  )
})

t.test('the cause decides the exit code, and what nobody foresaw is 1', async t => {
  t.equal(exitCodeOf(new ClientError('gone', '')), 11)
  t.equal(exitCodeOf(new TypeError('a fault')), 1)
})
