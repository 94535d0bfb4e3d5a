import { formatBytes } from '../../shared/units.ts'
import { readAuthorities } from '../read-files.ts'
import { inCluster, nameOfPlace } from '../server-place.ts'
import { type TemplateTexts, templateProperties, templateTexts } from './pod-files.ts'
import { podNames } from './pod-template.ts'
import type { StagingJob } from './read-job.ts'
import { rewriteArguments } from './rewrite-arguments.ts'
import type { FileToStage } from './stage-files.ts'

/** What a submission would do. */
export interface DryRun {
  readonly staged: 'dry run'
  readonly server: string
  readonly namespace: string
  readonly files: readonly {
    readonly filePath: string
    readonly path: string
    readonly sizeBytes: number
    readonly sha256: string
  }[]
  readonly totalBytes: number
  readonly command: readonly string[]
  readonly templates: TemplateTexts
}

/** Stands for the bundle's id, which the server would give. */
const placeholder = '<bundle-id>'

/** Works out a submission without asking anybody. @throws ClientError (usage) when `caFile` cannot be used */
export async function dryRun(
  { plan, submission, templates }: StagingJob,
  files: readonly FileToStage[],
  program: string,
  caFile: string | undefined
): Promise<DryRun> {
  const { server, namespace } = plan
  // Whether a Service speaks TLS is only known once it is asked.
  const podServer =
    plan.podServer ?? (server.type === 'url' ? server.url : inCluster(server, caFile !== undefined))
  const authorities = caFile === undefined ? undefined : await readAuthorities(caFile, '--ca-file')
  const laidOut = layOut(files)
  const paths = new Map(laidOut.map(({ dependency, path }) => [dependency, path]))
  const sizes = new Map(files.map(({ hashed }) => [hashed.sha256, hashed.sizeBytes]))
  const totalBytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  const texts = templateTexts(templates, plan, {
    ...plan,
    bundleId: placeholder,
    secretName: `spark-stage-${placeholder}`,
    podServer,
    authorities: podServer.protocol === 'https:' ? authorities : undefined,
    totalBytes
  })
  const args = rewriteArguments(submission, {
    bundleId: placeholder,
    stagingDirectory: podNames.stagingDirectory,
    paths,
    properties: templateProperties(role => `file:///<templates>/${role}.yaml`)
  })
  return {
    staged: 'dry run',
    server: nameOfPlace(server),
    namespace,
    files: laidOut.map(({ path, hashed: { filePath, sizeBytes, sha256 } }) => {
      return { filePath, path, sizeBytes, sha256 }
    }),
    totalBytes,
    command: [program, ...args],
    templates: texts
  }
}

/** A dry run for people: the files, the command for a shell, the templates. */
export function describeDryRun({ server, namespace, files, totalBytes, command, templates }: DryRun): string {
  return [
    `would stage ${formatBytes(totalBytes)} in namespace ${namespace} on ${server}, as far as it lacks them:`,
    ...files.map(({ filePath, path, sizeBytes }) => `  ${path}  ${formatBytes(sizeBytes)}  ${filePath}`),
    '',
    'would run:',
    command.map(toShellWord).join(' '),
    '',
    '# driver.yaml',
    templates.driver,
    '# executor.yaml',
    templates.executor
  ].join('\n')
}

/** As the server lays files out: a later jar of the same name steps aside. */
function layOut(files: readonly FileToStage[]): readonly (FileToStage & { readonly path: string })[] {
  const digestAt = new Map<string, string>()
  return files.map(file => {
    const { kind, name, sha256 } = file.hashed
    const wanted = `${kind}/${name}`
    const isFree = (digestAt.get(wanted) ?? sha256) === sha256
    const path = isFree ? wanted : `${kind}/${name.replace(/(\.[^.]*)?$/, `-${sha256.slice(0, 8)}$1`)}`
    digestAt.set(path, sha256)
    return { ...file, path }
  })
}

function toShellWord(word: string): string {
  return /^[\w@%+=:,./#-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
