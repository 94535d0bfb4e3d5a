import type { Test } from 'tap'
import { repositoryPath } from './programs.ts'
import { startProcess } from './start-process.ts'

/** Lets so many interleavings of several servers on a store that may fail them keep the promises, and finds all that is made wrong. */
export async function runWholeModel(t: Test, interleavingsCount: number): Promise<void> {
  const script = repositoryPath('test/property/run-model.ts')

  const { code, stdout, stderr } = await startProcess(t, process.execPath, [script, `${interleavingsCount}`])
    .ended

  t.match(stdout, new RegExp(`^${interleavingsCount} interleavings, all promises kept`))
  t.equal(stdout.match(/: after \d+ interleavings, (?!NOT FOUND)/g)?.length, 14, stdout)
  t.equal(code, 0, stderr)
}
