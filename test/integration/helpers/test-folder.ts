import type { Test } from 'tap'

/**
 * The test's own folder, new and empty. It is removed after everything that the test registers from now on is torn
 * down; with `t.testdir` alone it would go first, under the feet of a server that still uses it.
 */
export function testFolder(t: Test): string {
  t.teardown(() => {})
  return t.testdir()
}
