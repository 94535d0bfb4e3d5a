import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { actionsOf, readLifecycleRules, readPolicies } from './s3-document.ts'

const storage = fileURLToPath(new URL('../../server/storage', import.meta.url))

/**
 * Which rights each command of the SDK takes: the API reference of S3, under Permissions. Reading also takes the list of
 * the bucket, for the difference between 403 and 404.
 */
const actionsOfCommands: Readonly<Record<string, readonly string[]>> = {
  AbortMultipartUpload: ['s3:AbortMultipartUpload'],
  CompleteMultipartUpload: ['s3:PutObject'],
  CopyObject: ['s3:GetObject', 's3:PutObject'],
  CreateMultipartUpload: ['s3:PutObject'],
  DeleteObject: ['s3:DeleteObject'],
  DeleteObjects: ['s3:DeleteObject'],
  GetObject: ['s3:GetObject', 's3:ListBucket'],
  HeadObject: ['s3:GetObject', 's3:ListBucket'],
  ListMultipartUploads: ['s3:ListBucketMultipartUploads'],
  ListObjectsV2: ['s3:ListBucket'],
  PutObject: ['s3:PutObject'],
  UploadPart: ['s3:PutObject'],
  UploadPartCopy: ['s3:GetObject', 's3:PutObject']
}

t.test('the policy of docs/s3.md has every right that the driver’s commands take, and no other', async t => {
  const [bucket] = await readPolicies()
  const needed = (await usedCommands()).flatMap(command => actionsOfCommands[command] ?? command)

  t.same(actionsOf(bucket), [...new Set(needed)].sort())
})

t.test('the policy is for what lies below the prefix, as far as S3 knows such a condition', async t => {
  const [{ Statement: statements }] = await readPolicies()

  t.match(statements, [
    { Effect: 'Allow', Resource: 'arn:aws:s3:::example-bucket/spark-stage/*' },
    {
      Effect: 'Allow',
      Action: 's3:ListBucket',
      Resource: 'arn:aws:s3:::example-bucket',
      Condition: { StringLike: { 's3:prefix': 'spark-stage/*' } }
    },
    { Effect: 'Allow', Action: 's3:ListBucketMultipartUploads', Resource: 'arn:aws:s3:::example-bucket' }
  ])
  t.equal(statements.length, 3)
})

t.test('the policy for the key lets the servers write with it and read', async t => {
  const [, key] = await readPolicies()

  t.same(actionsOf(key), ['kms:Decrypt', 'kms:GenerateDataKey'])
})

t.test('no rule of the bucket removes what is in use', async t => {
  const rules = await readLifecycleRules()

  t.equal(rules.length, 2)
  for (const { Filter, Expiration, ...rest } of rules) {
    t.equal(Filter.Prefix, 'spark-stage/')
    t.equal(Object.keys(rest).length, 3, 'a name, whether it counts, and one thing to do')
    t.match(Object.keys(rest).slice(2), [/^(AbortIncompleteMultipartUpload|NoncurrentVersionExpiration)$/])
    t.same(Expiration ?? { ExpiredObjectDeleteMarker: true }, { ExpiredObjectDeleteMarker: true })
  }
})

/** The SDK's commands that the driver and what lies beside it send, without what their names end in. */
async function usedCommands(): Promise<readonly string[]> {
  const files = await Array.fromAsync(glob('s3-*.ts', { cwd: storage }))
  const texts = await Promise.all(files.map(file => readFile(`${storage}/${file}`, 'utf8')))
  const found = texts.flatMap(text => [...text.matchAll(/new ([A-Z]\w*)Command\(/g)])
  return [...new Set(found.map(([, name = '']) => name))]
}
