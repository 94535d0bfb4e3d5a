import t, { type Test } from 'tap'
import { parseAccessRule } from '../../../server/identity/access-rule.ts'
import { KubernetesTokens, type ReviewOutcome } from '../../../server/identity/kubernetes-tokens.ts'
import { KiB } from '../../../shared/units.ts'
import { call, stage } from '../../helpers/call.ts'
import { type Disturbance, FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { startServer } from '../../helpers/start-server.ts'

const aliceToken = 'token-of-alice-7d1f'

/** An identity that asks a fake API server, which knows alice: she may create pods in team-a. */
async function openTokens(t: Test) {
  const api = await FakeKubernetesApi.start(t)
  api.tokens.set(aliceToken, { username: 'alice', audiences: ['spark-stage'], namespaces: ['team-a'] })
  const clock = { nowMs: 60_000 }
  const outcomes: ReviewOutcome[] = []
  const tokens = new KubernetesTokens({
    cluster: await api.cluster(),
    audience: 'spark-stage',
    access: parseAccessRule('create pods'),
    steady: () => clock.nowMs,
    countReview: outcome => void outcomes.push(outcome)
  })
  const asked = (kind: string) => api.questions.filter(({ path }) => path.endsWith(kind)).length
  return { api, clock, outcomes, tokens, asked }
}

t.test(
  'a token says whose it is, and the API server what they may do, with all that it knows of them',
  async t => {
    const { api, tokens } = await openTokens(t)

    const alice = await tokens.identify(aliceToken)

    t.equal(alice.name, 'alice')
    t.equal(await alice.missingRight('team-a'), undefined)
    t.same(await alice.missingRight('team-b'), {
      expected: 'create pods in namespace team-b',
      found: 'no such right of alice'
    })
    t.match(JSON.parse(api.questions.at(-1)?.body ?? ''), {
      spec: {
        user: 'alice',
        uid: 'u-1',
        groups: ['g'],
        extra: { 'a/b': ['c'] },
        resourceAttributes: { verb: 'create', resource: 'pods', group: '', namespace: 'team-b' }
      }
    })
  }
)

t.test('a token that is missing, unknown, over-long or meant for another audience is refused', async t => {
  const { api, tokens, asked } = await openTokens(t)
  api.tokens.set('other', { username: 'bob', audiences: ['another'], namespaces: ['team-a'] })

  for (const credential of [undefined, 'unknown', 'other', 'x'.repeat(16 * KiB + 1)]) {
    await t.rejects(tokens.identify(credential), { code: 'STAGE_ERR_CREDENTIAL' })
  }

  t.equal(asked('tokenreviews'), 2, 'what cannot be a token is not asked for')
})

t.test('a right counts for ten seconds, a refusal for two', async t => {
  const { api, clock, tokens, outcomes, asked } = await openTokens(t)
  const mayAlice = async (namespace: string) =>
    (await (await tokens.identify(aliceToken)).missingRight(namespace)) === undefined
  t.equal(await mayAlice('team-a'), true)
  t.equal(await mayAlice('team-b'), false)
  await t.rejects(tokens.identify('new'))
  api.tokens.set('new', { username: 'new', audiences: ['spark-stage'], namespaces: [] })
  api.tokens.set(aliceToken, { username: 'alice', audiences: ['spark-stage'], namespaces: ['team-b'] })

  clock.nowMs = 61_999
  t.equal(await mayAlice('team-b'), false)
  await t.rejects(tokens.identify('new'))
  clock.nowMs = 62_001
  t.equal(await mayAlice('team-b'), true)
  t.equal((await tokens.identify('new')).name, 'new')
  clock.nowMs = 69_999
  t.equal(await mayAlice('team-a'), true)
  t.equal(asked('tokenreviews'), 3)
  clock.nowMs = 70_001
  t.equal(await mayAlice('team-a'), false)

  t.equal(asked('tokenreviews'), 4)
  t.ok(outcomes.includes('remembered') && outcomes.includes('granted') && outcomes.includes('refused'))
})

t.test('the same question is asked once at a time, and too many are told to come again', async t => {
  const { api, tokens, asked } = await openTokens(t)

  await Promise.all(Array.from({ length: 50 }, () => tokens.identify(aliceToken)))
  t.equal(asked('tokenreviews'), 1)
  const answers = await Promise.allSettled(Array.from({ length: 120 }, (_, n) => tokens.identify(`u${n}`)))

  const codes = answers.map(answer => (answer.status === 'rejected' ? answer.reason.code : 'let in'))
  t.equal(codes.filter(code => code === 'STAGE_ERR_IDENTITY').length, 20)
  t.equal(codes.filter(code => code === 'STAGE_ERR_CREDENTIAL').length, 100)
  t.equal(api.questions.length, 101)
})

t.test('whatever else the API server does, nobody is let in, and no error shows the token', async t => {
  const user = { username: 'alice' }
  const status = { authenticated: true, audiences: ['spark-stage'], user }
  const review = (changes: object) => ({ status: 201, body: { status: { ...status, ...changes } } })
  const odd: Readonly<Record<string, Disturbance>> = {
    'an error that repeats the question': { status: 500, body: { spec: { token: aliceToken } } },
    'no right to review tokens': { status: 403, body: { kind: 'Status' } },
    'no JSON': { status: 201, body: `not ${aliceToken}` },
    'no status': { status: 201, body: {} },
    'nothing at all': { status: 201, body: 'null' },
    'no user': review({ user: {} }),
    'a user without a name': review({ user: undefined }),
    'a user with an empty name': review({ user: { username: '' } }),
    'a user that is no text': review({ user: { username: 7 } }),
    'a truth that is a text': review({ authenticated: 'true' }),
    'a cut connection': 'cut'
  }
  for (const [name, disturbance] of Object.entries(odd)) {
    await t.test(name, async t => {
      const { api, tokens, outcomes } = await openTokens(t)
      api.disturb = () => disturbance

      const error = await tokens.identify(aliceToken).catch((error: unknown) => error)

      t.match(error, { code: 'STAGE_ERR_IDENTITY', details: { retryAfterSeconds: 2 } })
      t.notMatch(`${error} ${error instanceof Error && error.cause}`, aliceToken)
      t.same(outcomes, ['failed'])
    })
  }
  for (const changes of [{ authenticated: undefined }, { audiences: undefined }, { audiences: ['x'] }]) {
    await t.test(`refused for ${JSON.stringify(changes)}`, async t => {
      const { api, tokens } = await openTokens(t)
      api.disturb = () => review(changes)

      await t.rejects(tokens.identify(aliceToken), { code: 'STAGE_ERR_CREDENTIAL' })
    })
  }
})

t.test('an answer that is over is not used while there is no other', async t => {
  const { api, clock, tokens } = await openTokens(t)
  const alice = await tokens.identify(aliceToken)
  await alice.missingRight('team-a')
  api.disturb = () => 'cut'

  clock.nowMs = 70_001

  await t.rejects(tokens.identify(aliceToken), { code: 'STAGE_ERR_IDENTITY' })
  await t.rejects(alice.missingRight('team-a'), { code: 'STAGE_ERR_IDENTITY' })
})

t.test('an access review that is odd, or denies what it allows, lets nobody in', async t => {
  const { api, tokens } = await openTokens(t)
  const alice = await tokens.identify(aliceToken)
  api.disturb = () => ({ status: 201, body: { status: {} } })
  await t.rejects(alice.missingRight('team-a'), { code: 'STAGE_ERR_IDENTITY' })
  api.disturb = () => ({ status: 201, body: { status: { allowed: true, denied: true } } })

  t.match(await alice.missingRight('team-a'), { found: 'no such right of alice' })
})

t.test('a server takes uploads by Kubernetes tokens, and names the right that is missing', async t => {
  const api = await FakeKubernetesApi.start(t)
  api.tokens.set(aliceToken, { username: 'alice', audiences: ['spark-stage'], namespaces: ['team-a'] })
  const env = { SPARK_STAGE_UPLOAD_AUTH: 'kubernetes', SPARK_STAGE_UPLOAD_TOKENS_FILE: '' }
  const server = await startServer(t, { env, cluster: await api.cluster() })
  server.keepSecret(aliceToken)
  const files = [['files', 'a', 'hello']] as const

  const staged = await stage(server, files, { credential: aliceToken })
  const forbidden = await stage(server, files, { credential: aliceToken, namespace: 'team-b' })
  const unknown = await stage(server, files, { credential: 'unknown' })
  api.disturb = () => ({ status: 500, body: { spec: { token: aliceToken } } })
  const unchecked = await stage(server, files, { credential: 'another' })

  t.equal(staged.status, 201)
  isRefusal(t, forbidden, { status: 403, code: 'STAGE_ERR_FORBIDDEN' })
  t.match(forbidden.error, { expected: 'create pods in namespace team-b', found: 'no such right of alice' })
  isRefusal(t, unknown, { status: 401, code: 'STAGE_ERR_CREDENTIAL' })
  t.match(unknown.error, { expected: 'a Kubernetes token with the audience spark-stage' })
  isRefusal(t, unchecked, { status: 503, code: 'STAGE_ERR_IDENTITY' })
  const figures = (await call(server, 'GET', '/metrics')).bytes.toString()
  t.match(figures, /spark_stage_identity_reviews_total\{outcome="failed"\} 1/)
  t.equal((await call(server, 'GET', '/readyz')).status, 200, 'downloads need no API server')
})
