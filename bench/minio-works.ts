import { readFile } from 'node:fs/promises'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import type { Scope } from '../test/integration/helpers/start-process.ts'
import { type Contestants, type LargeFile, largeBytes, putBlob, stageLarge, type Work } from './contest.ts'
import { curl, curls } from './curl.ts'

/** The same on every Linux that Node runs on. */
const ticksPerSecond = 100

/** MinIO by itself, beside a server on a disk, and beside one that uses it. */
export async function minioWorks(
  scope: Scope,
  home: string,
  { stage, overBucket, minio }: Omit<Contestants, 'nginx'>,
  file: LargeFile
): Promise<readonly Work[]> {
  const place = { Bucket: minio.bucket, Key: 'large.bin' }
  const signed = { expiresIn: 3600 }
  const putUrl = await getSignedUrl(minio.client, new PutObjectCommand(place), signed)
  const upload = () => curl('--upload-file', file.path, putUrl)
  await upload()
  const getUrl = await getSignedUrl(minio.client, new GetObjectCommand(place), signed)
  const download = ['--output', '/dev/null', getUrl]
  const [fromDisk, fromBucket] = [
    await stageLarge(scope, home, stage, file.path),
    await stageLarge(scope, home, overBucket, file.path)
  ]
  const processorSeconds = (pid: number | undefined, args: readonly string[]) => async () => {
    const before = await processorSecondsOf(pid)
    await curls(16, ...args)
    return (await processorSecondsOf(pid)) - before
  }
  return [
    {
      name: 'upload 512 MiB, raw PUT, beside MinIO',
      goal: 1.2,
      sizeBytes: largeBytes,
      ours: () => putBlob(stage, file),
      peer: upload
    },
    {
      name: '16 downloads, per CPU second, beside MinIO',
      goal: 2,
      sizeBytes: 16 * largeBytes,
      ours: processorSeconds(stage.child.pid, fromDisk),
      peer: processorSeconds(minio.pid, download)
    },
    {
      name: 'upload over a bucket, beside the bucket',
      sizeBytes: largeBytes,
      ours: () => putBlob(overBucket, file),
      peer: upload
    },
    {
      name: 'download over a bucket, beside the bucket',
      sizeBytes: largeBytes,
      ours: () => curl(...fromBucket),
      peer: () => curl(...download)
    }
  ]
}

/** What a process has used so far of all processors, in seconds. */
async function processorSecondsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name, which may have blanks in it: utime and stime are fields 14 and 15 (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
