import { basename, join } from 'node:path'
import type { Test } from 'tap'
import { GiB, MiB } from '../../../shared/units.ts'
import { sha256sums, writeRandomFile } from './files.ts'
import { mavenJars } from './maven-jars.ts'

/** Real jars, and one large file of random bytes. */
export interface RealFiles {
  readonly jars: readonly string[]
  /** 1 GiB. */
  readonly model: string
  /** What makes `put` stage them all. */
  readonly flags: readonly string[]
  /** What `sha256sum` says of each. */
  readonly digests: Readonly<Record<string, string>>
  /** What `sha256sum` says of each as it lies in a staging directory. */
  digestsIn(into: string): Promise<Readonly<Record<string, string>>>
}

/** @param home where the large file is written */
export async function realFiles(home: string): Promise<RealFiles> {
  const jars = await mavenJars()
  const model = await writeRandomFile(join(home, 'model.bin'), 1 * GiB)
  const digestsIn = (into: string) => {
    const laidOutJars = jars.map(jar => join(into, 'jars', basename(jar)))
    return sha256sums([...laidOutJars, join(into, 'files', basename(model))])
  }
  const flags = [...jars.flatMap(jar => ['--jar', jar]), '--file', model]
  return { jars, model, flags, digests: await sha256sums([...jars, model]), digestsIn }
}

/** Notes the most memory of a program in the test's output. @returns the same */
export async function notePeak(t: Test, name: string, bytes: number | Promise<number>): Promise<number> {
  t.comment(`most memory of ${name}: ${Math.round((await bytes) / MiB)} MiB`)
  return bytes
}
