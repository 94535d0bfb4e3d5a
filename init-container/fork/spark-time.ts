import { dayMs, hourMs, secondMs } from '../../shared/units.ts'

const minuteMs = 60 * secondMs

const unitMs: ReadonlyMap<string, number> = new Map([
  ['us', 0.001],
  ['ms', 1],
  ['s', secondMs],
  ['m', minuteMs],
  ['min', minuteMs],
  ['h', hourMs],
  ['d', dayMs]
])

/**
 * A time as Spark writes it: `300s`, `5m`, and a bare number in minutes, the unit of the one key that this is for
 * (`JavaUtils.timeStringAs`). The fork would cut `90s` to whole minutes; here it is 90 seconds.
 *
 * @returns milliseconds; undefined when it is no such time
 */
export function parseSparkTime(text: string): number | undefined {
  const [, number = '', unit = 'm'] = /^(\d{1,9})([a-z]+)?$/.exec(text.trim().toLowerCase()) ?? []
  const factorMs = unitMs.get(unit)
  return number === '' || factorMs === undefined ? undefined : Number(number) * factorMs
}
