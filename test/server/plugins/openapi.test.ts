import { createConfig, lintFromString } from '@redocly/openapi-core'
import Fastify from 'fastify'
import t from 'tap'
import { registerOpenapi } from '../../../server/plugins/openapi.ts'
import { errorTable } from '../../../shared/errors.ts'
import { call } from '../../helpers/call.ts'
import { type ApiDocument, documentedPath, documentOf } from '../../helpers/documented-answers.ts'
import { startServer, type TestServer } from '../../helpers/start-server.ts'

/** What reaches nobody. */
const unanswered = ['STAGE_ERR_CLIENT_GONE']

for (const [door, env] of [
  ['open', { SPARK_STAGE_V0: 'true' }],
  ['closed', { SPARK_STAGE_V0: 'false' }]
] as const) {
  t.test(
    `with the fork's door ${door}, the document has every route of the server, and no other`,
    async t => {
      const server = await startServer(t, { env })

      const document = (await call(server, 'GET', '/openapi.json')).json as ApiDocument

      const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
        Object.keys(operations).map(method => `${method.toUpperCase()} ${path}`)
      )
      // What the router prints leaves out a constant before a wildcard.
      const printed = documented.map(name => name.replace('/entries/{kind}', '/{kind}'))
      t.strictSame(printed.sort(), [...new Set(routesOf(server))].sort())
      t.equal(
        documented.some(name => name.includes('/api/v0/')),
        door === 'open'
      )
    }
  )
}

t.test('the document keeps the recommended rules for OpenAPI, every one', async t => {
  const server = await startServer(t, { env: { SPARK_STAGE_V0: 'true' } })
  const source = JSON.stringify(documentOf(server.app.server))

  const problems = await lintFromString({ source, config: await createConfig({ extends: ['recommended'] }) })

  t.strictSame(
    problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`),
    []
  )
})

t.test('every code of the error table is an answer of some route, but what reaches nobody', async t => {
  const server = await startServer(t, { env: { SPARK_STAGE_V0: 'true' } })

  const text = JSON.stringify(documentOf(server.app.server).paths)

  const codes = Object.keys(errorTable)
  t.strictSame(
    codes.filter(code => !text.includes(`"${code}"`)),
    unanswered
  )
})

t.test('an answer to HEAD has the same statuses as one to GET, and no body', async t => {
  const server = await startServer(t)

  const { paths } = documentOf(server.app.server)

  const { get, head } = paths['/api/v1/bundles/{ns}/{id}'] ?? {}
  t.strictSame(Object.keys(head?.responses ?? {}), Object.keys(get?.responses ?? {}))
  t.ok(get?.responses['401']?.content)
  t.strictSame(
    Object.values(head?.responses ?? {}).filter(({ content }) => content !== undefined),
    []
  )
})

t.test('a route without a contract cannot be described', async t => {
  const app = Fastify()
  await registerOpenapi(app)
  app.get('/forgotten', async () => '')
  await app.ready()

  t.throws(() => app.swagger(), { message: 'route GET /forgotten has no contract' })
})

/** Every method and path that the router has, as the document writes them: read from what the router prints. */
function routesOf({ app }: TestServer): readonly string[] {
  const path: string[] = []
  return app.server
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap(line => {
      const [, indent = '', pattern = '', methods] =
        /^((?:[│ ] {3})*)[├└]── (\S*)(?: \((.*)\))?$/.exec(line) ?? []
      const depth = indent.length / 4
      path.splice(depth, path.length, pattern)
      return (methods ?? '')
        .split(', ')
        .filter(Boolean)
        .map(method => `${method} ${documentedPath(path.join(''))}`)
    })
}
