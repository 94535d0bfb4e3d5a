import t from 'tap'
import { s3Probes } from '../contract/s3-probes.ts'
import { startMinio } from './helpers/minio.ts'

const { endpoint, credentials, makeBucket } = await startMinio(t)

s3Probes(t, { endpoint, credentials, bucket: await makeBucket() })
