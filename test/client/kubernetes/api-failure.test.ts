import t from 'tap'
import { ClientError } from '../../../client/client-error.ts'
import { apiFailure, isNotFound } from '../../../client/kubernetes/api-failure.ts'

const url = 'https://api.example:6443'
const request = { verb: 'create', resource: 'secrets', namespace: 'team-a', name: 'spark-stage-1' }
const because = { kind: 'Status', message: 'because' }
const answer = (code: number, body: unknown) => ({ code, body })

t.test('each answer says what was asked, why not, and what to do', t => {
  const cases = [
    [403, 'refused', /^cannot create secrets in namespace "team-a"\n.*because\n.*Ask for the right to/],
    [401, 'refused', /^the API server https:.* does not accept the credential .*\n.*because/],
    [404, 'usage', /^cannot create secrets "spark-stage-1" in namespace "team-a"\n.*because/],
    [409, 'refused', /^could not create secrets in namespace "team-a" \(HTTP 409\)\n.*because/],
    [429, 'gaveUp', /HTTP 429/],
    [500, 'gaveUp', /HTTP 500/]
  ] as const
  for (const [code, exitCause, message] of cases) {
    const failure = apiFailure(answer(code, because), request, url)

    t.equal(failure.exitCause, exitCause, String(code))
    t.match(failure.message, message)
  }
  t.end()
})

t.test('what else one can do without a right is said', t => {
  const instead = 'pass --upload-token-file'

  const { message } = apiFailure(answer(403, because), { ...request, instead }, url)

  t.match(message, /Ask for the right to create secrets .*, or pass --upload-token-file\./)
  t.end()
})

t.test('a list has no name', t => {
  const list = { verb: 'list', resource: 'pods', namespace: 'team-a' }

  t.match(apiFailure(answer(404, because), list, url).message, /^cannot list pods in namespace "team-a"\n/)
  t.end()
})

t.test('the reason is found in JSON, in an object and in plain text', t => {
  const reasonOf = (body: unknown) =>
    /found: (.*)/.exec(apiFailure(answer(403, body), request, url).message)?.[1]

  t.equal(reasonOf('{"message":"in JSON"}'), 'in JSON')
  t.equal(reasonOf({ message: 'in an object' }), 'in an object')
  t.equal(reasonOf(`a proxy's page ${'x'.repeat(1000)}`)?.length, 300)
  t.equal(reasonOf(undefined), 'no reason')
  t.equal(reasonOf('7'), 'no reason')
  t.end()
})

t.test('a failure of the network names the API server', t => {
  const whyOf = (error: unknown) => {
    const failure = apiFailure(error, request, url)
    t.equal(failure.exitCause, 'gaveUp')
    return failure.message
  }
  const away = `the API server ${url} cannot be reached: `

  t.equal(whyOf(new TypeError('fetch failed', { cause: new Error('refused') })), `${away}refused`)
  t.equal(whyOf(new TypeError('fetch failed', { cause: new RangeError() })), `${away}RangeError`)
  t.equal(whyOf(new Error('socket hang up')), `${away}socket hang up`)
  t.end()
})

t.test('what is said in words already stays as it is', t => {
  const error = new ClientError('usage', 'in words')

  t.equal(apiFailure(error, request, url), error)
  t.end()
})

t.test('only 404 means that it does not exist', t => {
  t.ok(isNotFound(answer(404, because)))
  t.notOk(isNotFound(answer(403, because)))
  t.end()
})
