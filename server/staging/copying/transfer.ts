import { Transform } from 'node:stream'
import { StagingError } from '../../../shared/errors.ts'
import {
  type OpenBytes,
  type StorageDriver,
  StorageError,
  type StoredBytes
} from '../../storage/storage-driver.ts'

/**
 * Brings bytes from one store to another, where they become visible only if they are what is expected.
 *
 * @param onBytes how many more were read
 * @returns why they cannot be had from the source as they should be; undefined when they are copied
 * @throws StorageError when either store fails otherwise
 */
export async function transfer(
  { source, target }: { readonly source: StorageDriver; readonly target: StorageDriver },
  key: string,
  { sizeBytes, sha256 }: StoredBytes,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<string | undefined> {
  const failed = new AbortController()
  const bridge = openBridge(onBytes)
  let opened: OpenBytes | undefined
  let lost: unknown
  const send = async () => {
    opened = await source.open(key, { start: 0, end: sizeBytes })
    await opened.sendTo(bridge, AbortSignal.any([signal, failed.signal]))
    bridge.end()
  }
  const sending = send().catch(error => {
    lost = error
    bridge.destroy(error)
  })
  const expected = { limitBytes: sizeBytes, sizeBytes, sha256 }
  const putting = target.put(key, bridge, expected, signal).then(
    () => undefined,
    error => explain(error, lost)
  )
  try {
    return await putting
  } finally {
    failed.abort()
    await sending
    await opened?.close()
  }
}

/** What is written to it can be read from it, in memory of its own: a store uses its buffers again. */
function openBridge(onBytes: (bytes: number) => void): Transform {
  const bridge = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      onBytes(chunk.length)
      done(null, Buffer.from(new Uint8Array(chunk).buffer))
    }
  })
  // Whoever reads it is told; a store that fails before it reads must not end the process.
  return bridge.on('error', () => {})
}

/**
 * Bytes that are wrong, missing or not to be read stay so; a store that is away for a moment does not.
 *
 * @param lost what failed at the source, if anything
 */
function explain(error: unknown, lost: unknown): string {
  if (lost instanceof StorageError) {
    if (lost.failure === 'not-found' || lost.failure === 'broken') return lost.message
    throw lost
  }
  if (!(error instanceof StagingError)) throw error
  const { expected, found } = error.details
  return `expected ${expected}, found ${found}`
}
