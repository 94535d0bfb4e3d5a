import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { S3Driver } from '../../server/storage/s3-driver.ts'
import { runCommand } from '../cluster/run-command.ts'
import { storageContract } from '../contract/storage-contract.ts'
import { actionsOf, type Policy, readPolicies, type Statement } from '../deploy/s3-document.ts'
import { bucketKeys } from '../helpers/bucket-keys.ts'
import { startMinio } from './helpers/minio.ts'
import { put, startStage } from './helpers/programs.ts'
import { testFolder } from './helpers/test-folder.ts'

const minio = await startMinio(t)
const bucket = await minio.makeBucket()
const [documented] = await readPolicies()

t.test('the rights that docs/s3.md lists are enough for the whole contract', async t => {
  const credentials = await credentialsFor(documented)

  storageContract(t, async t => {
    const prefix = `spark-stage/${randomUUID()}`
    const driver = await S3Driver.open(`s3://${bucket}/${prefix}`, settings(credentials))
    t.teardown(() => driver.close())
    return { driver, keys: () => bucketKeys(minio.client, bucket, `${prefix}/`) }
  })
})

t.test('without any one of them, the server says at start that a right is missing', async t => {
  for (const action of actionsOf(documented)) {
    const credentials = await credentialsFor(without(documented, action))

    const opened = S3Driver.open(`s3://${bucket}/spark-stage`, settings(credentials))

    await t.rejects(opened, { message: /the credentials lack a right that docs\/s3\.md lists/ }, action)
  }
})

t.test('they open nothing beside the prefix', async t => {
  const credentials = await credentialsFor(documented)

  const opened = S3Driver.open(`s3://${bucket}/spark-stage-b`, settings(credentials))

  await t.rejects(opened, { message: /the credentials lack a right/ })
})

t.test('a web identity is as good as a key: no variable has a secret', async t => {
  const home = testFolder(t)
  await mkdir(home, { recursive: true })
  const token = join(home, 'token')
  await writeFile(token, 'a token of a service account')
  const roles = await startRoles(t)
  const file = join(home, 'a.txt')
  await writeFile(file, 'staged')

  const { url, credentialFile } = await startStage(t, {
    home,
    env: {
      SPARK_STAGE_STORE: `s3://${bucket}/spark-stage`,
      SPARK_STAGE_S3_ENDPOINT: minio.endpoint,
      SPARK_STAGE_S3_REGION: 'us-east-1',
      SPARK_STAGE_S3_FORCE_PATH_STYLE: 'true',
      AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/spark-stage',
      AWS_WEB_IDENTITY_TOKEN_FILE: token,
      AWS_ENDPOINT_URL_STS: roles.url
    }
  })
  const options = { url, credentialFile, files: ['--file', file], tokenFile: join(home, 'download') }
  const { uploadedBytes } = await put(t, options)

  t.equal(uploadedBytes, 'staged'.length)
  t.match(roles.asked, [/RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fspark-stage/])
  t.match(roles.asked[0], 'WebIdentityToken=a%20token%20of%20a%20service%20account')
})

/** What gives web identities their roles: whoever asks gets the documented rights. */
async function startRoles(t: Test): Promise<{ readonly url: string; readonly asked: readonly string[] }> {
  const { accessKeyId, secretAccessKey, sessionToken } = await credentialsFor(documented)
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    asked.push(await text(request))
    const values = { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken }
    const fields = Object.entries({ ...values, Expiration: new Date(Date.now() + 3_600_000).toISOString() })
    const credentials = fields.map(([name, value]) => `<${name}>${value}</${name}>`).join('')
    const result = `<AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials></AssumeRoleWithWebIdentityResult>`
    response.setHeader('content-type', 'text/xml')
    response.end(`<AssumeRoleWithWebIdentityResponse>${result}</AssumeRoleWithWebIdentityResponse>`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  // A boundary: a server on a port has an address of this form.
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}`, asked }
}

type Credentials = Awaited<ReturnType<typeof credentialsFor>>

function settings(credentials: Credentials) {
  return { endpoint: minio.endpoint, credentials, region: 'us-east-1', isPathStyle: true }
}

/** Has MinIO make credentials that may do what a policy says, with this test's bucket in the place of the documented. */
async function credentialsFor(policy: Policy) {
  const { accessKeyId, secretAccessKey } = minio.credentials
  const json = JSON.stringify(policy).replaceAll('example-bucket', bucket)
  const fields = ['Action=AssumeRole', 'Version=2011-06-15', 'DurationSeconds=3600']
  const data = fields.flatMap(field => ['--data', field])
  const signed = ['--aws-sigv4', 'aws:amz:us-east-1:sts', '--user', `${accessKeyId}:${secretAccessKey}`]
  const asked = [...signed, ...data, '--data-urlencode', `Policy=${json}`, `${minio.endpoint}/`]
  // MinIO knows users a moment after it is ready.
  const answer = await runCommand('curl', [
    '--silent',
    '--fail',
    '--retry',
    '5',
    '--retry-all-errors',
    ...asked
  ])
  const field = (name: string) => new RegExp(`<${name}>(.*?)</${name}>`).exec(answer)?.[1] ?? ''
  return {
    accessKeyId: field('AccessKeyId'),
    secretAccessKey: field('SecretAccessKey'),
    sessionToken: field('SessionToken')
  }
}

function without(policy: Policy, action: string): Policy {
  const left = ({ Action, ...rest }: Statement) => ({
    ...rest,
    Action: [Action].flat().filter(one => one !== action)
  })
  return { ...policy, Statement: policy.Statement.map(left).filter(({ Action }) => Action.length > 0) }
}
