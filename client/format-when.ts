import { formatDuration } from '../shared/units.ts'

/**
 * A moment as people say it: `in 6 d`, `3 h ago`, `now`. Never more than there is: 6.9 days are `6 d`.
 *
 * @param atMs  milliseconds since the epoch, as `nowMs`
 */
export function formatWhen(atMs: number, nowMs: number): string {
  const text = formatDuration(Math.abs(atMs - nowMs))
  if (text === '0 s') return 'now'
  return atMs > nowMs ? `in ${text}` : `${text} ago`
}
