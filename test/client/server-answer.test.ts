import t from 'tap'
import {
  failureOf,
  parseCommit,
  parseDraft,
  parseEntries,
  parseError,
  parseList,
  parseRenewal
} from '../../client/server-answer.ts'

const bundleId = '0123456789abcdef0123456789abcdef'
const sha256 = 'a'.repeat(64)

t.test('a draft is believed only in its exact form', async t => {
  t.strictSame(parseDraft({ bundleId, missing: [sha256], more: 1 }), { bundleId, missing: [sha256] })
  for (const bad of [
    undefined,
    null,
    [],
    { bundleId },
    { bundleId: '../x', missing: [] },
    { bundleId, missing: ['x'] }
  ]) {
    t.throws(() => parseDraft(bad), { exitCause: 'internal', message: /expected: a draft/ })
  }
})

t.test('a commit is believed only for its own bundle, and its token is in no error', async t => {
  const good = { bundleId, token: 'secret-token', expiresAt: '2030-01-01T00:00:00Z' }

  t.strictSame(parseCommit(good, bundleId), good)
  for (const bad of [
    null,
    { ...good, bundleId: 'x' },
    { ...good, token: 1 },
    { ...good, expiresAt: undefined }
  ]) {
    t.throws(() => parseCommit(bad, bundleId), { exitCause: 'internal', message: /^(?!.*secret-token)/ })
  }
})

t.test('a list is believed only in its exact form, and only when it goes on', async t => {
  const row = {
    bundleId,
    state: 'committed',
    principal: 'al\u001bice',
    sizeBytes: 7,
    createdAt: '2030-01-01T00:00:00.000Z',
    expiresAt: '2030-01-08T00:00:00.000Z'
  }

  t.strictSame(parseList({ bundles: [row], next: bundleId }, ''), {
    bundles: [{ ...row, principal: 'al ice' }],
    next: bundleId
  })
  t.strictSame(parseList({ bundles: [] }, bundleId), { bundles: [] })
  for (const bad of [{}, { bundles: [{ ...row, expiresAt: '2030-01-01\n' }] }, { bundles: [null] }])
    t.throws(() => parseList(bad, ''), { exitCause: 'internal', message: /not understood/ })
  for (const next of [bundleId, 1, '../x'])
    t.throws(() => parseList({ bundles: [row], next }, bundleId), { message: /an id greater than/ })
})

t.test('a renewal is believed only for its own bundle', async t => {
  const expiresAt = '2030-01-01T00:00:00.000Z'

  t.equal(parseRenewal({ bundleId, expiresAt }, bundleId), expiresAt)
  for (const bad of [
    { bundleId: 'x', expiresAt },
    { bundleId, expiresAt: '2030-99-99T00:00Z' }
  ])
    t.throws(() => parseRenewal(bad, bundleId), { exitCause: 'internal', message: /the renewal of bundle/ })
})

t.test('a manifest is believed only with good entries', async t => {
  const entry = { kind: 'jars', name: 'a.jar', path: 'jars/a.jar', sizeBytes: 1, sha256, executable: false }
  const manifest = { bundleId, namespace: 'team-a', createdAt: '', entries: [entry] }

  t.strictSame(parseEntries(manifest, 'team-a', bundleId), [entry])
  t.throws(() => parseEntries({ ...manifest, entries: [{ ...entry, path: '../x' }] }, 'team-a', bundleId), {
    exitCause: 'internal',
    message: /not understood: expected a good entry at position 0/
  })
})

t.test('an error of ours keeps its words, without control characters', async t => {
  const body = {
    code: 'STAGE_ERR_SIZE',
    message: 'bad\u001b[2J',
    expected: '1',
    found: '2',
    todo: 'x',
    requestId: 'r',
    missing: [sha256]
  }

  t.strictSame(parseError(422, JSON.stringify({ ...body, unknown: 1 })), { ...body, message: 'bad [2J' })
})

t.test('the largest files of a request that was too large are told to people', async t => {
  const largest = [
    { path: 'files/big\u001b.bin', sizeBytes: 3 * 1024 * 1024 },
    { path: 'files/b' },
    'nonsense'
  ]

  const answer = parseError(507, JSON.stringify({ code: 'STAGE_ERR_QUOTA', message: 'full', largest }))

  t.equal(answer.largestFiles, 'files/big .bin (3.0 MiB), files/b, undefined')
  t.match(failureOf(507, answer, 0), { message: /\n {2}largest files: files\/big/ })
})

t.test("a proxy's page becomes a message", async t => {
  t.strictSame(parseError(502, '<html>Bad gateway</html>'), {
    code: 'HTTP 502',
    message: 'no error of a spark-stage server: "<html>Bad gateway</html>"',
    missing: []
  })
  t.match(parseError(502, ''), { message: 'no error of a spark-stage server' })
})

t.test('the status says whether asking again can help', async t => {
  const answer = { code: 'STAGE_ERR_X', message: 'm', missing: [] }

  for (const status of [429, 500, 502, 503])
    t.match(failureOf(status, answer, 7), { name: 'RetryableError', retryAfterMs: 7 })
  t.match(failureOf(409, { ...answer, code: 'STAGE_ERR_UPLOAD_RUNNING' }, 1000), { name: 'RetryableError' })
  t.match(failureOf(409, answer, 0), { exitCause: 'refused' })
  t.match(failureOf(307, answer, 0), { exitCause: 'refused' })
  t.match(failureOf(410, answer, 0), { exitCause: 'gone' })
  t.match(failureOf(507, answer, 0), { exitCause: 'noSpace' })
})
