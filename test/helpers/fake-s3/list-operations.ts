import { type S3Operation, xmlAnswer } from './s3-answer.ts'

export const listObjects: S3Operation = ({ query, bucketName }, { bucket, pageCount }) => {
  const prefix = query.get('prefix') ?? ''
  const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
  const limit = Math.min(Number(query.get('max-keys') ?? pageCount), pageCount)
  const names = namesBelow(bucket.objects.keys(), prefix, query.get('delimiter') ?? '')
  const rest = names.filter(name => name > after && !(after.startsWith(name) && name.endsWith('/')))
  const page = rest.slice(0, limit)
  const isFolder = (name: string) => !bucket.objects.has(name)
  return xmlAnswer('ListBucketResult', {
    Name: bucketName,
    Prefix: prefix,
    KeyCount: page.length,
    MaxKeys: limit,
    IsTruncated: rest.length > limit,
    NextContinuationToken: rest.length > limit ? page.at(-1) : undefined,
    Contents: page
      .filter(name => !isFolder(name))
      .map(Key => ({
        Key,
        Size: bucket.objects.get(Key)?.body.length,
        ETag: bucket.objects.get(Key)?.etag
      })),
    CommonPrefixes: page.filter(isFolder).map(Prefix => ({ Prefix }))
  })
}

export const listUploads: S3Operation = ({ query }, { bucket, pageCount, listsUploadsByPrefix }) => {
  const prefix = query.get('prefix') ?? ''
  const isMeant = (key: string) =>
    prefix === '' || (listsUploadsByPrefix ? key.startsWith(prefix) : key === prefix)
  const all = [...bucket.uploads]
    .map(([UploadId, { key: Key }]) => ({ Key, UploadId }))
    .filter(({ Key }) => isMeant(Key))
  const rest = all.slice(1 + all.findIndex(({ UploadId }) => UploadId === query.get('upload-id-marker')))
  const page = rest.slice(0, pageCount)
  const isTruncated = rest.length > pageCount
  return xmlAnswer('ListMultipartUploadsResult', {
    Prefix: prefix,
    IsTruncated: isTruncated,
    NextKeyMarker: isTruncated ? page.at(-1)?.Key : undefined,
    NextUploadIdMarker: isTruncated ? page.at(-1)?.UploadId : undefined,
    Upload: page
  })
}

/** All keys below a prefix, those with a delimiter after it cut there; sorted, once each. */
function namesBelow(keys: Iterable<string>, prefix: string, delimiter: string): readonly string[] {
  const names = new Set<string>()
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    names.add(end < 0 ? key : key.slice(0, end + 1))
  }
  return [...names].sort()
}
