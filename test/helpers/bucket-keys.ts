import { ListMultipartUploadsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'

/**
 * All keys below a prefix of a bucket, without it, sorted; those of uploads that were begun and not finished end in
 * ` (unfinished)`.
 */
export async function bucketKeys(
  client: S3Client,
  Bucket: string,
  prefix: string
): Promise<readonly string[]> {
  const keys: string[] = []
  let token: string | undefined
  do {
    const page = { Bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }
    const found = await client.send(new ListObjectsV2Command(page))
    for (const { Key = '' } of found.Contents ?? []) keys.push(Key.slice(prefix.length))
    token = found.NextContinuationToken
  } while (token !== undefined)
  // MinIO lists unfinished uploads of a whole bucket only.
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  for (const { Key = '' } of Uploads) {
    if (Key.startsWith(prefix)) keys.push(`${Key.slice(prefix.length)} (unfinished)`)
  }
  return keys.sort()
}
