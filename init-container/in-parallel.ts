/**
 * Does `work` for every item, at most `limit` at a time. The first failure stops the rest, and is thrown once all
 * have stopped, so that nothing still writes when the caller goes on.
 *
 * @param work gets a signal that aborts with `signal` or at the first failure
 */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>
): Promise<void> {
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const queue = items.values()
  const drain = async (): Promise<void> => {
    try {
      for (const item of queue) {
        either.throwIfAborted()
        await work(item, either)
      }
    } catch (error) {
      failed.abort(error)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, drain))
  failed.signal.throwIfAborted()
}
