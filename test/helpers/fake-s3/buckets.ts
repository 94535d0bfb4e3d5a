import { createHash, randomUUID } from 'node:crypto'

/** An object as S3 keeps it. */
export interface StoredObject {
  readonly body: Buffer
  /** Quoted. */
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
}

interface Upload {
  readonly key: string
  readonly metadata: Readonly<Record<string, string>>
  readonly parts: Map<number, Buffer>
}

/** One bucket: what S3 does, without HTTP. */
export class Bucket {
  readonly objects = new Map<string, StoredObject>()
  /** Begun and not finished, by id. */
  readonly uploads = new Map<string, Upload>()

  put(key: string, body: Buffer, metadata: Readonly<Record<string, string>>): StoredObject {
    const object = { body, metadata, etag: `"${md5(body)}"` }
    this.objects.set(key, object)
    return object
  }

  begin(key: string, metadata: Readonly<Record<string, string>>): string {
    const id = randomUUID()
    this.uploads.set(id, { key, metadata, parts: new Map() })
    return id
  }

  /** @returns undefined when a part is missing, or is not the one that is named */
  complete(id: string, etags: readonly string[]): StoredObject | undefined {
    const { key, metadata, parts } = this.uploads.get(id) ?? { key: '', metadata: {}, parts: new Map() }
    const bodies = etags.map((etag, index) => {
      const part = parts.get(index + 1)
      return part !== undefined && `"${md5(part)}"` === etag ? part : undefined
    })
    if (bodies.includes(undefined)) return undefined
    // A boundary: none is undefined here.
    const whole = bodies as Buffer[]
    const sums = Buffer.concat(whole.map(part => createHash('md5').update(part).digest()))
    const object = { body: Buffer.concat(whole), metadata, etag: `"${md5(sums)}-${whole.length}"` }
    this.objects.set(key, object)
    this.uploads.delete(id)
    return object
  }
}

export function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}
