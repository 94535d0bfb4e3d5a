import { addAbortSignal, type Readable, type Writable } from 'node:stream'
import { secondMs } from '../../shared/units.ts'
import { releaseChunk } from './release-chunk.ts'
import { toStorageError } from './s3-failure.ts'
import { writePiece } from './write-piece.ts'

/** How long S3 may send nothing of a body that is waited for. */
const stallMs = 20 * secondMs

/**
 * Writes the body of S3's answer to `sink`, at the sink's pace, and leaves the sink open.
 *
 * @throws StorageError when S3 cuts off or falls silent; an error of the sink's stays what it is
 */
export async function sendBody(
  body: Readable,
  sink: Writable,
  signal: AbortSignal,
  key: string,
  longestSilenceMs = stallMs
): Promise<void> {
  addAbortSignal(signal, body)
  const chunks: AsyncIterator<Buffer> = body[Symbol.asyncIterator]()
  while (true) {
    const chunk = await nextChunk(chunks, body, key, longestSilenceMs)
    if (chunk === undefined) return
    await writePiece(sink, chunk)
    releaseChunk(chunk)
  }
}

/** @returns undefined at the end */
async function nextChunk(
  chunks: AsyncIterator<Buffer>,
  body: Readable,
  key: string,
  longestSilenceMs: number
): Promise<Buffer | undefined> {
  // Only while it is waited for: a slow reader is no fault of S3's.
  const giveUp = () => body.destroy(new Error(`nothing came for ${longestSilenceMs} ms`))
  const timer = setTimeout(giveUp, longestSilenceMs)
  try {
    const { value, done } = await chunks.next().catch(error => {
      throw error.name === 'AbortError' ? error : toStorageError(error, `read ${key}`)
    })
    return done === true ? undefined : value
  } finally {
    clearTimeout(timer)
  }
}
