import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const { SPARK_STAGE_CLUSTER_DIR: folder, XDG_CACHE_HOME: caches } = process.env

/** Everything that a running cluster keeps. Short, because sockets lie in it; gone after `down`. */
export const stateFolder = resolve(folder || '/tmp/spark-stage-cluster')

/** What is built once a machine, outside the checkout. */
export const cacheFolder = join(caches || join(homedir(), '.cache'), 'spark-stage')

/** The network namespace in which the whole cluster lives; two clusters in two state folders do not meet. */
export const namespaceName = basename(stateFolder)

/** The path of a file beside this one. */
export function ownPath(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

/** The path of a file of the running cluster. */
export function statePath(...names: readonly string[]): string {
  return join(stateFolder, ...names)
}

/** Says that the state folder is ours, all of it, to be removed. */
export const ownershipMark = statePath('spark-stage-cluster')
