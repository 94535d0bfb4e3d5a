import t from 'tap'
import { s3Probes } from '../../contract/s3-probes.ts'
import { fakeCredentials } from '../../helpers/fake-s3/fake-s3.ts'
import { startFake } from './opened-bucket.ts'

const fake = await startFake(t)
fake.makeBucket('probed')

s3Probes(t, { endpoint: fake.endpoint, credentials: fakeCredentials, bucket: 'probed' })
