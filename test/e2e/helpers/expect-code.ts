import type { Test } from 'tap'
import type { Ending } from '../../integration/helpers/start-process.ts'

/** Checks how a program ended; when it is not as expected, its last words are shown. */
export function expectCode(t: Test, { code, stdout, stderr }: Ending, expected: number): void {
  if (code !== expected) t.comment(`${stdout}\n${stderr}`.slice(-6000))
  t.equal(code, expected, `ends with ${expected}`)
}
