import { KiB } from '../../shared/units.ts'

/**
 * Gives back the memory of a network buffer that nothing refers to any more, if this chunk has it to itself: waiting for
 * the garbage collector would cost both memory and time.
 */
export function releaseChunk({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && byteLength >= 16 * KiB)
    buffer.transfer(0)
}
