/** Binary byte units, so that sizes are written `512 * MiB`. */
export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

/** Milliseconds in one second, one minute, one hour, one day. */
export const secondMs = 1000
export const minuteMs = 60 * secondMs
export const hourMs = 60 * minuteMs
export const dayMs = 24 * hourMs

/**
 * A size for people: `1.5 MiB`, `17 B`.
 *
 * @param sizeBytes a count of bytes, 0 or more
 */
export function formatBytes(sizeBytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
  let value = sizeBytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** From two of a unit on, times are told in it. */
const durationUnits = [
  ['d', dayMs],
  ['h', hourMs],
  ['min', minuteMs],
  ['s', secondMs]
] as const

/** How long something takes, in one unit, rounded down: `6 d`, `90 min`, `0 s`. */
export function formatDuration(ms: number): string {
  const [name, unitMs] = durationUnits.find(([, candidateMs]) => ms >= 2 * candidateMs) ?? ['s', secondMs]
  return `${Math.floor(ms / unitMs)} ${name}`
}
