import type { Readable } from 'node:stream'

/**
 * A whole body as UTF-8.
 *
 * @returns undefined when it has more than `limitBytes` bytes; the rest is then not read
 * @throws the stream's error
 */
export async function readText(body: Readable, limitBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > limitBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
