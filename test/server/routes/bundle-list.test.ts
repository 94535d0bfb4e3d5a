import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { stage, upload } from '../../helpers/call.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { sha256, startServer } from '../../helpers/start-server.ts'

const server = await startServer(t)
const ids: string[] = []
for (const content of ['1', '2', '3', '4', '5']) {
  ids.push((await stage(server, [['files', 'a', content]])).json.bundleId)
}
ids.sort()
await stage(server, [['files', 'a', '1']], { namespace: 'team-b' })

const list = (query = '') => upload(server, 'GET', bundlesPath('team-a') + query)
const idsOf = ({ json }: Awaited<ReturnType<typeof list>>) =>
  json.bundles.map(({ bundleId }: { bundleId: string }) => bundleId)

t.test('a list shows the bundles of its namespace by id, and no others', async t => {
  const answer = await list()

  t.strictSame(idsOf(answer), ids)
  t.equal(answer.json.next, undefined)
  t.match(answer.json.bundles[0], {
    state: 'committed',
    principal: 'alice',
    sizeBytes: 1,
    createdAt: /Z$/,
    expiresAt: /Z$/
  })
  t.strictSame(Object.keys(answer.json.bundles[0]).sort(), [
    'bundleId',
    'createdAt',
    'expiresAt',
    'principal',
    'sizeBytes',
    'state'
  ])
})

t.test('pages follow one another without gap or repeat', async t => {
  const first = await list('?limit=2')
  const second = await list(`?limit=2&after=${first.json.next}`)
  const third = await list(`?limit=2&after=${second.json.next}`)

  t.strictSame([first, second, third].flatMap(idsOf), ids)
  t.equal(third.json.next, undefined)
})

t.test('a bundle without a lease is passed over, and the pages go on', async t => {
  const { bundleId } = (await stage(server, [['files', 'a', '6']])).json
  await rm(join(server.folder, 'bundles', bundleId), { recursive: true })
  const all = [...ids, bundleId].sort()

  const shown: string[] = []
  let next: string | undefined = ''
  while (next !== undefined) {
    const page = await list(`?limit=1${next && `&after=${next}`}`)
    shown.push(...idsOf(page))
    next = page.json.next
  }

  t.strictSame(
    shown,
    all.filter(id => id !== bundleId)
  )
})

t.test('drafts are listed as such, revoked bundles are not', async t => {
  const entries = [{ kind: 'files', name: 'a', sizeBytes: 1, sha256: sha256('x') }]
  const draft = await upload(server, 'POST', bundlesPath('team-b'), { entries })
  const revoked = await stage(server, [['files', 'a', '1']], { namespace: 'team-b' })
  await upload(server, 'DELETE', bundlePath('team-b', revoked.json.bundleId))

  const { json } = await upload(server, 'GET', bundlesPath('team-b'))

  t.equal(json.bundles.length, 2)
  t.match(
    json.bundles.find(({ bundleId }: { bundleId: string }) => bundleId === draft.json.bundleId),
    { state: 'draft' }
  )
})

const badQueries: readonly (readonly [query: string, expected: RegExp, found: string])[] = [
  ['?limit=0', /^querystring\/limit must match pattern/, '"0"'],
  ['?limit=1001', /^querystring\/limit must match pattern/, '"1001"'],
  ['?limit=ten', /^querystring\/limit must match pattern/, '"ten"'],
  ['?limit=1&limit=2', /^querystring\/limit must be string/, '["1","2"]'],
  ['?after=../x', /^querystring\/after must match pattern/, '"../x"'],
  ['?after=', /^querystring\/after must match pattern/, '""']
]

for (const [query, expected, found] of badQueries) {
  t.test(`${query} is refused`, async t => {
    isRefusal(t, await list(query), { status: 400, code: 'STAGE_ERR_BAD_REQUEST', expected, found })
  })
}

t.test('an empty namespace has an empty list', async t => {
  const empty = await startServer(t)

  t.strictSame((await upload(empty, 'GET', bundlesPath('team-a'))).json, { bundles: [] })
})
