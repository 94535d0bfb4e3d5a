import t from 'tap'
import { createClient } from '../../../server/storage/s3-client.ts'

t.test('what is left out comes from where every program of AWS’s finds it', async t => {
  t.intercept(process, 'env', {
    value: {
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'key-of-the-environment',
      AWS_SECRET_ACCESS_KEY: 'secret-of-the-environment',
      AWS_SESSION_TOKEN: 'token-of-the-environment'
    }
  })

  const { client, clock } = createClient({})

  t.teardown(() => client.destroy())
  t.equal(await client.config.region(), 'eu-central-1')
  t.match(await client.config.credentials(), {
    accessKeyId: 'key-of-the-environment',
    secretAccessKey: 'secret-of-the-environment',
    sessionToken: 'token-of-the-environment'
  })
  t.equal(client.config.forcePathStyle, false)
  t.equal(clock.aheadMs, 0)
})
