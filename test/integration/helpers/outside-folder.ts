import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from './start-process.ts'

/** A new folder outside the checkout, so that nothing in it finds this repository's `node_modules` above itself. */
export async function outsideFolder(t: Scope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spark-stage-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}
