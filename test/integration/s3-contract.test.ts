import { randomUUID } from 'node:crypto'
import t from 'tap'
import { S3Driver } from '../../server/storage/s3-driver.ts'
import { storageContract } from '../contract/storage-contract.ts'
import { bucketKeys } from '../helpers/bucket-keys.ts'
import { startMinio } from './helpers/minio.ts'

const { endpoint, credentials, client, makeBucket } = await startMinio(t)
const bucket = await makeBucket()

storageContract(t, async t => {
  const prefix = `${randomUUID()}/`
  const settings = { endpoint, credentials, region: 'us-east-1', isPathStyle: true }
  const driver = await S3Driver.open(`s3://${bucket}/${prefix}`, settings)
  t.teardown(() => driver.close())
  return { driver, keys: () => bucketKeys(client, bucket, prefix) }
})
