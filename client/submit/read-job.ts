import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { quote } from '../../shared/errors.ts'
import { describe, usageError } from '../client-error.ts'
import { type Action, readArguments } from './argument-model.ts'
import { dependencyLists } from './dependency-lists.ts'
import { type DependencyProblem, findLocalDependencies } from './local-dependencies.ts'
import { localDisk } from './local-disk.ts'
import { mergeTemplate, type StagedBundle } from './pod-template.ts'
import type { Submission } from './rewrite-arguments.ts'
import { defaultsPath, effectiveValue, readProperties } from './spark-properties.ts'
import { readSparkUri } from './spark-uri.ts'
import {
  type Overrides,
  planSubmission,
  type Role,
  roles,
  type SubmitPlan,
  type TemplatePlace,
  templateKey
} from './submit-plan.ts'
import { type Mapping, parseTemplate } from './template-yaml.ts'

/** Where the arguments are read, and what surrounds them. */
export interface JobSurroundings extends Overrides {
  readonly workingDirectory: string
  /** Spark's own folder. */
  readonly sparkHome: string
  readonly environment: NodeJS.ProcessEnv
}

/** What a command line comes to: a job with files to stage, or something that spark-submit does alone. */
export type ReadJob = { readonly stages: false; readonly why: string } | StagingJob

/** A job with files to stage. */
export interface StagingJob {
  readonly stages: true
  readonly submission: Submission
  readonly plan: SubmitPlan
  /** The user's own pod templates; an empty one where there is none. */
  readonly templates: Readonly<Record<Role, Mapping>>
}

/**
 * Reads arguments, properties, files and templates, and asks nobody.
 *
 * @throws ClientError (usage) that names everything that is missing or wrong
 */
export async function readJob(args: readonly string[], surroundings: JobSurroundings): Promise<ReadJob> {
  const submit = readArguments(args)
  if (submit.action !== 'submit') return { stages: false, why: whyUntouched[submit.action] }
  const { workingDirectory, sparkHome, environment } = surroundings
  const properties = await readProperties(submit, {
    defaultsPath: defaultsPath({ SPARK_CONF_DIR: environment['SPARK_CONF_DIR'], SPARK_HOME: sparkHome }),
    read: path => readIfThere(resolve(workingDirectory, path))
  })
  const master = effectiveValue(submit, properties, '--master')?.value
  if (master?.startsWith('k8s://') !== true) throw foreignMaster(master)
  if (effectiveValue(submit, properties, '--deploy-mode')?.value.toLowerCase() !== 'cluster') {
    return { stages: false, why: clientMode }
  }
  const lists = dependencyLists(submit, properties)
  const dependencies = await findLocalDependencies(submit, lists, localDisk(workingDirectory))
  const problems = [...dependencies.problems]
  if (dependencies.files.size === 0 && problems.length === 0) return { stages: false, why: nothingLocal }
  const plan = planSubmission(master, properties, surroundings, problems)
  const templates = await readTemplates(plan, workingDirectory, problems)
  if (plan === undefined || problems.length > 0) throw listProblems(problems)
  const submission = { submit, properties, lists, dependencies, environment }
  return { stages: true, submission, plan, templates }
}

const nothingLocal = 'nothing to stage: no file of this machine is named; spark-submit runs untouched'
const clientMode =
  'client mode: the driver runs here and gives its files to the executors itself; nothing was staged, and spark-submit runs untouched'

const whyUntouched: Readonly<Record<Exclude<Action, 'submit'>, string>> = {
  example: 'nothing to stage: an example of Spark has its files in the image; spark-submit runs untouched',
  shell: 'nothing to stage: a shell runs on this machine; spark-submit runs untouched',
  other: 'nothing to stage: no application is submitted; spark-submit runs untouched',
  refused: 'nothing was staged: spark-submit will refuse these arguments'
}

function foreignMaster(master: string | undefined): Error {
  return usageError(
    describe('--master: only jobs on Kubernetes can be staged', {
      expected: 'k8s://https://HOST:PORT, by --master or spark.master',
      found: master === undefined ? 'no master' : quote(master),
      todo: 'Run spark-submit itself for other masters.'
    })
  )
}

function listProblems(problems: readonly DependencyProblem[]): Error {
  const lines = problems.map(({ what, reason }) => `  ${what}: ${reason}`)
  return usageError(['nothing was staged and nothing was submitted:', ...lines].join('\n'))
}

const exampleBundle: StagedBundle = {
  namespace: 'example',
  bundleId: '',
  secretName: '',
  podServer: new URL('https://stage.example'),
  authorities: '',
  totalBytes: 0,
  initImage: '',
  pullPolicy: ''
}

async function readTemplates(
  plan: SubmitPlan | undefined,
  workingDirectory: string,
  problems: DependencyProblem[]
): Promise<Readonly<Record<Role, Mapping>>> {
  const templates = { driver: {}, executor: {} }
  for (const role of roles) {
    try {
      templates[role] = await readTemplate(role, plan?.templates[role], workingDirectory)
    } catch (error) {
      // A boundary: all of these are texts for people.
      problems.push({ what: templateKey(role), reason: (error as Error).message })
    }
  }
  return templates
}

/** Spark takes `local:` for a file of this machine here. */
async function readTemplate(
  role: Role,
  place: TemplatePlace | undefined,
  workingDirectory: string
): Promise<Mapping> {
  if (place?.file === undefined) return {}
  const uri = readSparkUri(place.file.replace(/^local:/i, 'file:'))
  const what = quote(place.file, 300)
  if (uri.type === 'remote') {
    throw new Error(`${what} cannot be read from here; copy it to this machine and name the copy`)
  }
  if (uri.type === 'malformed') throw new Error(`${what}: ${uri.reason}`)
  const text = await readIfThere(resolve(workingDirectory, uri.path))
  if (text === undefined) throw new Error(`${what}: there is no such file`)
  try {
    const template = parseTemplate(text)
    // Finds out before anything is sent whether it can be merged.
    mergeTemplate(template, { role, containerName: place.containerName }, exampleBundle)
    return template
  } catch (cause) {
    throw new Error(`${what}: ${(cause as Error).message}`, { cause })
  }
}

/** The text of a file; undefined when there is none. @throws ClientError (usage) when it cannot be read */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    // A boundary: file system calls reject with a system error.
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw usageError(`${quote(path, 300)}: the file cannot be read (${code})`, { cause })
  }
}
