import type { Test } from 'tap'
import type { S3Settings } from '../../../server/storage/s3-client.ts'
import { S3Driver } from '../../../server/storage/s3-driver.ts'
import type { Bucket } from '../../helpers/fake-s3/buckets.ts'
import { type FakeOptions, FakeS3, fakeCredentials, fakeRegion } from '../../helpers/fake-s3/fake-s3.ts'

/** A driver over a bucket of a fake S3. */
export interface OpenedBucket {
  readonly fake: FakeS3
  readonly bucket: Bucket
  readonly driver: S3Driver
  /** All keys of the store, sorted; those of uploads that were begun and not finished end in ` (unfinished)`. */
  keys(): readonly string[]
}

const prefix = 'pre/fix/'

export async function startFake(t: Test, options: FakeOptions = {}): Promise<FakeS3> {
  const fake = await FakeS3.start(options)
  t.teardown(() => fake.close())
  return fake
}

export function settingsOf({ endpoint }: FakeS3): S3Settings {
  return { endpoint, region: fakeRegion, isPathStyle: true, credentials: fakeCredentials }
}

export async function openBucket(
  t: Test,
  options: FakeOptions = {},
  settings: Partial<S3Settings> = {}
): Promise<OpenedBucket> {
  const fake = await startFake(t, options)
  const bucket = fake.makeBucket('bucket')
  const driver = await S3Driver.open(`s3://bucket/${prefix}`, { ...settingsOf(fake), ...settings })
  t.teardown(() => driver.close())
  fake.requests.length = 0
  const keys = () =>
    [...bucket.objects.keys(), ...[...bucket.uploads.values()].map(({ key }) => `${key} (unfinished)`)]
      .map(key => key.slice(prefix.length))
      .sort()
  return { fake, bucket, driver, keys }
}
