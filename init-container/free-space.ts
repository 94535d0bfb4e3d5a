import { FetchError } from './fetch-error.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * Asks before the first byte, because a pod whose volume fills up takes its neighbours with it.
 *
 * @throws FetchError `noSpace`
 */
export async function checkFreeSpace(
  folder: string,
  wantedBytes: number,
  { freeBytes }: Surroundings
): Promise<void> {
  const foundBytes = await freeBytes(folder)
  if (foundBytes >= wantedBytes) return
  const found = `${foundBytes} bytes`
  throw new FetchError({
    exit: 'noSpace',
    subject: folder,
    expected: `${wantedBytes} bytes of free space`,
    found
  })
}
