import type { Hash } from 'node:crypto'
import { Transform } from 'node:stream'
import { StagingError } from '../../shared/errors.ts'
import { KiB } from '../../shared/units.ts'
import type { PutExpectations } from './storage-driver.ts'

/**
 * A stream that passes bytes on while it counts and hashes them, and fails as soon as there are more than expected: the
 * multipart parser cuts oversized parts without an error, so this is where they are noticed.
 */
export function measure(count: { sizeBytes: number }, hash: Hash, expected: PutExpectations): Transform {
  return new Transform({
    highWaterMark: 256 * KiB,
    transform(chunk: Buffer, _encoding, done) {
      count.sizeBytes += chunk.length
      if (expected.sizeBytes !== undefined && count.sizeBytes > expected.sizeBytes) {
        return done(
          new StagingError('STAGE_ERR_SIZE', { expected: `${expected.sizeBytes} bytes`, found: 'more bytes' })
        )
      }
      if (count.sizeBytes > expected.limitBytes) {
        return done(
          new StagingError('STAGE_ERR_TOO_LARGE', {
            expected: `at most ${expected.limitBytes} bytes`,
            found: 'more bytes'
          })
        )
      }
      hash.update(chunk)
      done(null, chunk)
    }
  })
}
