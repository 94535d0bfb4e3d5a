import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { onceCached } from './once-cached.ts'
import { cacheFolder } from './paths.ts'
import { runCommand } from './run-command.ts'

/** The newest lines of both majors that spark-submit is modelled on. */
export const sparkVersions = ['4.3.0', '3.5.7'] as const

export type SparkVersion = (typeof sparkVersions)[number]

/** The SPARK_HOME of a version on this machine. */
export function sparkHome(version: SparkVersion): string {
  return join(cacheFolder, 'spark', version)
}

/**
 * Makes a SPARK_HOME out of PyPI's pyspark source archive, whose `deps` is one but for Python. It can submit to
 * Kubernetes, and it is what the image holds.
 */
export async function unpackSpark(version: SparkVersion): Promise<string> {
  return await onceCached(sparkHome(version), async draft => {
    const archive = await downloadArchive(version)
    const unpacked = `${draft}-unpacked`
    await mkdir(unpacked, { recursive: true })
    try {
      const options = ['--no-same-owner', '--strip-components=1', '-C', unpacked]
      await runCommand('tar', ['--extract', '-f', archive, ...options])
      const home = join(unpacked, 'deps')
      await mkdir(join(home, 'python'), { recursive: true })
      for (const part of ['pyspark', 'lib']) await rename(join(unpacked, part), join(home, 'python', part))
      await rename(home, draft)
    } finally {
      await rm(unpacked, { recursive: true, force: true })
    }
  })
}

async function downloadArchive(version: SparkVersion): Promise<string> {
  return await onceCached(join(cacheFolder, 'pyspark', `pyspark-${version}.tar.gz`), async draft => {
    const into = `${draft}-download`
    await mkdir(into, { recursive: true })
    try {
      const source = ['download', '--quiet', '--no-deps', '--no-binary', 'pyspark']
      const download = ['-m', 'pip', ...source, '--dest', into, `pyspark==${version}`]
      await runCommand('python3', download, { timeoutMs: 15 * 60_000 })
      const [name] = await readdir(into)
      if (name === undefined) throw new Error(`pip downloaded no pyspark ${version}`)
      await rename(join(into, name), draft)
    } finally {
      await rm(into, { recursive: true, force: true })
    }
  })
}
