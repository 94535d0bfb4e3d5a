import { gzipSync } from 'node:zlib'
import { Header, type HeaderData } from 'tar'

/** A member of an archive, as one likes: nothing here is checked. */
export interface Member extends HeaderData {
  readonly content?: string | Buffer
}

/** A tar of these members, padded as the fork pads: to 10240 bytes. */
export function tarOf(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ content = '', ...header }) => {
    const bytes = Buffer.from(content)
    return [headerBlock({ type: 'File', mode: 0o644, size: bytes.length, ...header }), padded(bytes, 512)]
  })
  return padded(Buffer.concat([...blocks, Buffer.alloc(1024)]), 10_240)
}

/** The same, gzipped. */
export function archiveOf(members: readonly Member[]): Buffer {
  return gzipSync(tarOf(members))
}

function headerBlock(header: HeaderData): Buffer {
  const block = Buffer.alloc(512)
  if (new Header(header).encode(block)) throw new Error(`needs more than one block: ${header.path}`)
  return block
}

function padded(bytes: Buffer, blockBytes: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes)])
}
