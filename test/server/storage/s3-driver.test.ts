import t from 'tap'
import { S3Driver } from '../../../server/storage/s3-driver.ts'
import { storageContract } from '../../contract/storage-contract.ts'
import { FakeS3 } from '../../helpers/fake-s3/fake-s3.ts'

storageContract(t, async t => {
  const fake = await FakeS3.start({ pageCount: 5 })
  t.teardown(() => fake.close())
  const { objects, uploads } = fake.makeBucket('bucket')
  const settings = {
    endpoint: fake.endpoint,
    region: 'us-east-1',
    isPathStyle: true,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' }
  }
  const driver = await S3Driver.open('s3://bucket/pre/fix', settings)
  t.teardown(() => driver.close())
  const keys = async () => [...objects.keys(), ...[...uploads.values()].map(({ key }) => `${key} (unfinished)`)]
  return { driver, keys: async () => (await keys()).map(key => key.slice('pre/fix/'.length)).sort() }
})
