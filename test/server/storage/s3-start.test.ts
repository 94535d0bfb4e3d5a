import t from 'tap'
import { S3Driver } from '../../../server/storage/s3-driver.ts'
import { FakeS3 } from '../../helpers/fake-s3/fake-s3.ts'
import { settingsOf, startFake } from './opened-bucket.ts'

t.test('a bucket that will do is left as it was', async t => {
  const fake = await startFake(t)
  const { objects, uploads } = fake.makeBucket('bucket')

  const driver = await S3Driver.open('s3://bucket', settingsOf(fake))

  t.same([objects.size, uploads.size], [0, 0])
  t.equal(await driver.create('due/a', ''), true)
  t.ok(objects.has('due/a'), 'without a prefix, keys begin with the store’s own')
  await driver.close()
})

t.test('what will not do is named, with how to mend it, and nothing is left', async t => {
  const fake = await startFake(t)
  const { objects, uploads } = fake.makeBucket('bucket')
  const gone = await FakeS3.start()
  const { endpoint } = gone
  await gone.close()
  const settings = { ...settingsOf(fake), maxAttempts: 1 }
  const denied = { status: 403, code: 'AccessDenied' }
  for (const [what, open, says] of [
    [
      'no bucket',
      () => S3Driver.open('s3://missing/x', settings),
      's3://missing/x cannot be a store: the bucket does not exist: make it, or name another store'
    ],
    [
      'a key that S3 does not know',
      () =>
        S3Driver.open('s3://bucket', {
          ...settings,
          credentials: { accessKeyId: 'wrong', secretAccessKey: 'secret' }
        }),
      /S3 does not know the access key: mend the credentials/
    ],
    [
      'a secret that is not that of the key',
      () =>
        S3Driver.open('s3://bucket', {
          ...settings,
          credentials: { accessKeyId: 'key', secretAccessKey: 'wrong' }
        }),
      /the secret key is not that of the access key: mend AWS_SECRET_ACCESS_KEY/
    ],
    [
      'another region',
      () => S3Driver.open('s3://bucket', { ...settings, region: 'eu-west-7' }),
      /another region: mend SPARK_STAGE_S3_REGION/
    ],
    [
      'nobody there',
      () => S3Driver.open('s3://bucket', { ...settings, endpoint }),
      /nothing listens where S3 should be: mend SPARK_STAGE_S3_ENDPOINT/
    ],
    [
      'the right to delete that is missing',
      () => {
        fake.fail('DeleteObject', denied, 100)
        return S3Driver.open('s3://bucket', settings).finally(() => fake.clearFaults())
      },
      /the credentials lack a right that docs\/s3.md lists/
    ],
    [
      'rights that are missing',
      () => {
        fake.fail('CreateMultipartUpload', denied)
        return S3Driver.open('s3://bucket', settings)
      },
      /the credentials lack a right that docs\/s3.md lists/
    ],
    [
      'a refusal of another name',
      () => {
        fake.fail('ListObjectsV2', { status: 403, code: 'Forbidden' })
        return S3Driver.open('s3://bucket', settings)
      },
      /the credentials lack a right/
    ],
    [
      'a redirect to another region',
      () => {
        fake.fail('PutObject', { status: 301, code: 'Moved' })
        return S3Driver.open('s3://bucket', settings)
      },
      /another region/
    ],
    [
      'something of which nothing is known',
      () => {
        fake.fail('GetObject', { status: 500, code: 'InternalError' })
        return S3Driver.open('s3://bucket', settings)
      },
      /cannot be a store: read spark-stage-probe-[^ ]+: S3 answered 500 InternalError/
    ]
  ] as const) {
    await t.rejects(open(), { name: 'StorageError', message: says }, what)
  }
  t.same([objects.size, uploads.size], [0, 0])
})

t.test('a store that ignores conditions would let servers overwrite each other', async t => {
  const fake = await startFake(t, { ignoresConditions: true })
  const { objects } = fake.makeBucket('bucket')

  await t.rejects(S3Driver.open('s3://bucket', settingsOf(fake)), {
    failure: 'broken',
    message: /the bucket ignores conditional writes/,
    todo: /use AWS S3, or a store that has them/
  })

  t.equal(objects.size, 0)
})
