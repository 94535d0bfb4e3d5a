import { readArguments } from '../../../client/submit/argument-model.ts'
import { dependencyLists } from '../../../client/submit/dependency-lists.ts'
import { findLocalDependencies } from '../../../client/submit/local-dependencies.ts'
import { rewriteArguments, type Submission } from '../../../client/submit/rewrite-arguments.ts'
import { defaultsPath, readProperties } from '../../../client/submit/spark-properties.ts'
import { type Disk, fakeDisk } from './fake-disk.ts'

export const bundleId = '0123456789abcdef0123456789abcdef'

/** What a submission finds around it. */
export interface Surroundings {
  readonly disk?: Disk
  /** Properties files by path; `spark-defaults.conf` is looked for below `/spark`. */
  readonly texts?: Readonly<Record<string, string>>
  readonly environment?: Submission['environment']
}

/** Reads an argument list and all that it names, from tables. */
export async function readSubmission(
  words: readonly string[],
  { disk = {}, texts = {}, environment = {} }: Surroundings = {}
): Promise<Submission> {
  const submit = readArguments(words)
  const properties = await readProperties(submit, {
    defaultsPath: defaultsPath({ SPARK_HOME: '/spark' }),
    read: async path => texts[path]
  })
  const lists = dependencyLists(submit, properties)
  const dependencies = await findLocalDependencies(submit, lists, fakeDisk(disk))
  return { submit, properties, lists, dependencies, environment }
}

/** Rewrites a submission as if each file were staged under its own name. */
export function rewriteSubmission(submission: Submission): readonly string[] {
  const files = [...submission.dependencies.files.values()].flat()
  const paths = new Map(files.map(file => [file, `${file.kind}/${file.name}`]))
  return rewriteArguments(submission, { bundleId, stagingDirectory: '/var/spark-stage', paths })
}
