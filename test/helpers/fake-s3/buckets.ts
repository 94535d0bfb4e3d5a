import { createHash, randomUUID } from 'node:crypto'

/** An object as S3 keeps it. */
export interface StoredObject {
  readonly body: Buffer
  /** Quoted. */
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
}

/** A multipart upload that was begun and not finished. */
export interface Upload {
  readonly key: string
  readonly metadata: Readonly<Record<string, string>>
  readonly parts: Map<number, Buffer>
}

/** One bucket: what S3 does, without HTTP. */
export class Bucket {
  readonly objects = new Map<string, StoredObject>()
  /** Begun and not finished, by id, the oldest first. */
  readonly uploads = new Map<string, Upload>()

  put(key: string, body: Buffer, metadata: Readonly<Record<string, string>>): StoredObject {
    const object = { body, metadata, etag: etagOf(body) }
    this.objects.set(key, object)
    return object
  }

  begin(key: string, metadata: Readonly<Record<string, string>>): string {
    const id = randomUUID()
    this.uploads.set(id, { key, metadata, parts: new Map() })
    return id
  }

  /** Makes an object of an upload, of these of its parts. */
  complete(id: string, { key, metadata }: Upload, bodies: readonly Buffer[]): StoredObject {
    const sums = bodies.map(body => createHash('md5').update(body).digest())
    const etag = `"${createHash('md5').update(Buffer.concat(sums)).digest('hex')}-${bodies.length}"`
    const object = { body: Buffer.concat(bodies), metadata, etag }
    this.objects.set(key, object)
    this.uploads.delete(id)
    return object
  }
}

export function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}
