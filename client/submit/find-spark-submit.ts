import { constants } from 'node:fs'
import { access, glob, stat } from 'node:fs/promises'
import { delimiter, dirname, join, resolve } from 'node:path'
import { quote } from '../../shared/errors.ts'
import { describe, usageError } from '../client-error.ts'

/** What of the environment decides which Spark runs. */
export interface SparkEnvironment {
  readonly SPARK_HOME?: string | undefined
  readonly PATH?: string | undefined
}

/**
 * The spark-submit to run: the one that is named, or that of SPARK_HOME, or the first on the PATH.
 *
 * @returns an absolute path
 * @throws ClientError (usage) when there is none that can be run
 */
export async function findSparkSubmit(
  named: string | undefined,
  { SPARK_HOME: home, PATH: path = '' }: SparkEnvironment
): Promise<string> {
  if (named !== undefined) {
    if (await canRun(named)) return resolve(named)
    throw usageError(`--spark-submit ${quote(named, 300)}: there is no such program`)
  }
  const candidates = path
    .split(delimiter)
    .filter(folder => folder !== '')
    .map(folder => join(folder, 'spark-submit'))
  if (home) candidates.unshift(join(home, 'bin', 'spark-submit'))
  for (const candidate of candidates) if (await canRun(candidate)) return resolve(candidate)
  throw usageError(
    describe('spark-submit was not found', {
      expected: 'it in the bin folder of SPARK_HOME, or on the PATH',
      found: home ? `SPARK_HOME=${quote(home, 300)}` : 'no SPARK_HOME',
      todo: 'Name it with --spark-submit FILE, or install Spark.'
    })
  )
}

/**
 * Spark's folder, as its own scripts find it: SPARK_HOME, or the folder above that of the program, or for a Spark that
 * came with pip the package beside it.
 */
export async function sparkHome(
  sparkSubmit: string,
  { SPARK_HOME: home }: SparkEnvironment
): Promise<string> {
  if (home) return home
  const bin = dirname(sparkSubmit)
  if (await isFile(join(bin, 'find_spark_home.py'))) {
    for await (const found of glob('lib/python3*/site-packages/pyspark', { cwd: dirname(bin) })) {
      return join(dirname(bin), found)
    }
  }
  return dirname(bin)
}

async function canRun(path: string): Promise<boolean> {
  return (
    (await isFile(path)) &&
    (await access(path, constants.X_OK).then(
      () => true,
      () => false
    ))
  )
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    info => info.isFile(),
    () => false
  )
}
