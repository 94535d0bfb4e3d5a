import { secondMs } from '../shared/units.ts'

/** Asks for a token that is good for `seconds`. */
export type RequestToken = (seconds: number) => Promise<string>

/** An upload may take longer, then there is another. */
const tokenSeconds = 3_600

/** A token that has less of its time left than this is asked for anew. */
const leftSeconds = tokenSeconds / 3

/**
 * A credential that stays good for as long as it is asked for: a token in memory, in time replaced by another. While
 * there cannot be another, the one that is there goes on.
 *
 * @param nowMs a clock that only goes forward
 * @throws what asking for the first one failed with: a missing right is told before anything is sent
 */
export async function lastingCredential(
  request: RequestToken,
  nowMs: () => number = () => performance.now()
): Promise<() => Promise<string>> {
  const ask = async () => ({ token: await request(tokenSeconds), renewAtMs: renewalFrom(nowMs()) })
  let current = await ask()
  let asking: Promise<void> | undefined
  return async () => {
    if (nowMs() >= current.renewAtMs) {
      // Many files are sent at once; one of them asks.
      asking ??= ask()
        .then(next => {
          current = next
        })
        .catch(() => {
          // The server says it when the old one is no longer good, and then asking again is the way.
        })
        .finally(() => {
          asking = undefined
        })
      await asking
    }
    return current.token
  }
}

function renewalFrom(nowMs: number): number {
  return nowMs + (tokenSeconds - leftSeconds) * secondMs
}
