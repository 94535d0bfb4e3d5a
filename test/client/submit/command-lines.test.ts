import t from 'tap'
import type { LocalDependency } from '../../../client/submit/local-dependencies.ts'
import { commandLines, disk } from './command-lines.ts'
import { bundleId, readSubmission, rewriteSubmission } from './read-submission.ts'

/** What stands for several words. */
const shorthands: ReadonlyMap<string, readonly string[]> = new Map([
  ['K', ['--master', 'k8s://https://k:6443', '--deploy-mode', 'cluster']],
  [
    '+mount',
    [
      '--conf',
      `spark.hadoop.fs.viewfs.mounttable.spark-stage-${bundleId}.linkFallback=file:///var/spark-stage`
    ]
  ],
  ['+avoid', ['--conf', 'spark.kubernetes.jars.avoidDownloadSchemes=viewfs']]
])

t.test('of real command lines just the local files are staged, and all the rest stays as it is', async t => {
  t.ok(commandLines.length >= 60)
  for (const { line, staged, becomes = line, ...surroundings } of commandLines) {
    const words = toWords(line)

    const submission = await readSubmission(words, { disk, ...surroundings })

    t.strictSame(submission.dependencies.problems, [], line)
    t.strictSame([...submission.dependencies.files.values()].flat().map(short), staged, line)
    t.strictSame(rewriteSubmission(submission), toWords(becomes), line)
  }
})

/** The words of a line: blanks separate them, quotes hold them together; the rest is shorthand. */
function toWords(line: string): readonly string[] {
  const quoted = line.match(/(?:'[^']*'|[^\s'])+/g) ?? []
  return quoted.flatMap(text => shorthands.get(text) ?? [inFull(text.replaceAll("'", ''))])
}

function inFull(word: string): string {
  return word.replaceAll(/@(?=(?:app|jars|pyFiles|files|archives)\/)/g, `viewfs://spark-stage-${bundleId}/`)
}

function short({ kind, path, alias }: LocalDependency): string {
  return `${kind} ${path.replace('/home/me/', '')}${alias === undefined ? '' : `#${alias}`}`
}
