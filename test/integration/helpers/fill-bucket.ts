import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Header } from 'tar'

const blockBytes = 512

/** So many objects go in one request. */
const packCount = 10_000

/**
 * Puts small objects into a bucket of MinIO, many in one request: it unpacks a tar file where it is told to.
 *
 * @param prefix what comes before each key
 */
export async function fillBucket(
  client: S3Client,
  Bucket: string,
  prefix: string,
  objects: Iterable<readonly [key: string, text: string]>
): Promise<void> {
  const Metadata = { 'snowball-auto-extract': 'true' }
  const send = async (pack: readonly Buffer[]) => {
    const Body = Buffer.concat([...pack, Buffer.alloc(2 * blockBytes)])
    await client.send(new PutObjectCommand({ Bucket, Key: 'pack.tar', Body, Metadata }))
  }
  let pack: Buffer[] = []
  for (const [key, text] of objects) {
    pack.push(fileOf(prefix + key, Buffer.from(text)))
    if (pack.length < packCount) continue
    await send(pack)
    pack = []
  }
  await send(pack)
}

/** One file as it is in a tar file. */
function fileOf(path: string, content: Buffer): Buffer {
  const file = Buffer.alloc(blockBytes * (1 + Math.ceil(content.length / blockBytes)))
  new Header({ path, size: content.length, type: 'File', mode: 0o600, mtime: new Date() }).encode(file)
  content.copy(file, blockBytes)
  return file
}
