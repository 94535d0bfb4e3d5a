import { dayMs, hourMs, secondMs } from '../shared/units.ts'

const minuteMs = 60 * secondMs

/** From two of a unit on, times are told in it. */
const units = [
  ['d', dayMs],
  ['h', hourMs],
  ['min', minuteMs],
  ['s', secondMs]
] as const

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

/** How long something takes, in one unit, rounded down: `6 d`, `90 min`, `0 s`. */
export function formatDuration(ms: number): string {
  const [name, unitMs] = units.find(([, candidateMs]) => ms >= 2 * candidateMs) ?? ['s', secondMs]
  return `${Math.floor(ms / unitMs)} ${name}`
}
