import { createHash, randomBytes } from 'node:crypto'
import { quote, StagingError } from '../../shared/errors.ts'

/**
 * A bundle's id: the same for the same namespace, principal and `Idempotency-Key`, random without a key. Each part is
 * hashed with its length before it, so that no two triples read alike.
 *
 * @throws StagingError `STAGE_ERR_BAD_IDEMPOTENCY_KEY`
 */
export function bundleIdFor(
  namespace: string,
  principal: string,
  idempotencyKey: string | undefined
): string {
  if (idempotencyKey === undefined) return randomBytes(16).toString('hex')
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/.test(idempotencyKey)) {
    throw new StagingError('STAGE_ERR_BAD_IDEMPOTENCY_KEY', {
      expected: '1 to 255 printable ASCII characters',
      found: quote(idempotencyKey)
    })
  }
  const hash = createHash('sha256')
  for (const part of [namespace, principal, idempotencyKey]) hash.update(`${Buffer.byteLength(part)}:${part}`)
  return hash.digest('hex').slice(0, 32)
}
