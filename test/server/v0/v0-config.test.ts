import t from 'tap'
import { loadConfig, v0Namespaces } from '../../../server/config.ts'
import { startServer } from '../../helpers/start-server.ts'
import { emptyArchive, ownerPart, resourcesPart, send, uploadRequest } from './fork-client.ts'

/** What a server needs that others can reach, but for the fork's door. */
const reachable = {
  SPARK_STAGE_HOST: '0.0.0.0',
  SPARK_STAGE_UPLOAD_TOKENS_FILE: '/tokens.json',
  SPARK_STAGE_SIGNING_KEYS_DIR: '/keys',
  SPARK_STAGE_ALLOW_PLAINTEXT: 'true',
  SPARK_STAGE_V0: 'true'
}
const anonymous = { SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS: 'true' }
const namespaces = { SPARK_STAGE_V0_NAMESPACES: 'spark-jobs, team-a' }

t.test(
  'where others can reach it, the door needs both: anonymous uploads allowed, and namespaces',
  async t => {
    for (const more of [{}, anonymous, namespaces]) {
      t.throws(() => loadConfig({ ...reachable, ...more }), {
        message:
          /^SPARK_STAGE_HOST=0\.0\.0\.0 is not loopback: SPARK_STAGE_V0=true would .* SPARK_STAGE_V0_NAMESPACES$/
      })
    }

    const config = loadConfig({ ...reachable, ...anonymous, ...namespaces })
    t.same(v0Namespaces(config), ['spark-jobs', 'team-a'])
  }
)

t.test('on loopback the door opens by itself, to all namespaces', async t => {
  const config = loadConfig({ SPARK_STAGE_UPLOAD_AUTH: 'none', SPARK_STAGE_V0: 'true' })

  t.equal(v0Namespaces(config), undefined)
})

t.test('the door is closed unless it is opened', async t => {
  t.equal(loadConfig({ SPARK_STAGE_UPLOAD_AUTH: 'none' }).SPARK_STAGE_V0, false)
})

t.test('what is no namespace is refused at the start', async t => {
  for (const list of ['a,,b', '../../x', 'Team']) {
    t.throws(() => loadConfig({ SPARK_STAGE_UPLOAD_AUTH: 'none', SPARK_STAGE_V0_NAMESPACES: list }), {
      message: /^SPARK_STAGE_V0_NAMESPACES: The namespace is not a DNS label/
    })
  }
})

t.test('where others can reach it, it may be asked for by any host name', async t => {
  const env = { ...reachable, ...anonymous, SPARK_STAGE_V0_NAMESPACES: 'default' }
  const { SPARK_STAGE_UPLOAD_TOKENS_FILE: _ours, ...rest } = env
  const server = await startServer(t, { env: rest })
  const request = uploadRequest([resourcesPart(emptyArchive), ownerPart()]).toString('latin1')

  const answer = await send(
    server.url,
    Buffer.from(request.replace('Host: 127.0.0.1:18101', 'Host: stage.spark'), 'latin1')
  )

  t.equal(answer.status, 200)
  server.keepSecret(JSON.parse(answer.body.toString()).resourceSecret)
})
