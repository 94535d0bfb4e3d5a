import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster } from '../../cluster/cluster.ts'
import { repositoryPath } from '../../integration/helpers/programs.ts'

/** All that belongs to a namespace and says something about it. Secrets stay where they are. */
const kinds =
  'pods,services,configmaps,deployments,replicasets,networkpolicies,roles,rolebindings,serviceaccounts'

/**
 * Writes what a failed test leaves to be looked at into `e2e-failures/NAME/`: for each namespace its manifests, its
 * events, what `kubectl describe` says of its pods, and the log of each container. What cannot be had is said there.
 *
 * @returns the folder
 */
export async function collectFailure(
  cluster: Cluster,
  name: string,
  namespaces: readonly string[]
): Promise<string> {
  const folder = repositoryPath(join('e2e-failures', name.replace(/[^\w.-]+/g, '-')))
  await rm(folder, { recursive: true, force: true })
  for (const namespace of namespaces) {
    const into = join(folder, namespace)
    await mkdir(into, { recursive: true })
    const ask = (...args: readonly string[]) =>
      cluster.kubectl('--namespace', namespace, ...args).catch(messageOf)
    const keep = async (file: string, ...args: readonly string[]) =>
      await writeFile(join(into, file), await ask(...args))
    await keep('manifests.yaml', 'get', kinds, '--output', 'yaml')
    await keep('events.txt', 'get', 'events', '--sort-by', '.lastTimestamp')
    await keep('pods.txt', 'describe', 'pods')
    const pods = await ask('get', 'pods', '--output', podsAndContainers)
    for (const line of pods.split('\n').filter(line => line.includes('\t'))) {
      const [pod = '', ...containers] = line.trim().split(/\s+/)
      for (const container of containers) {
        await keep(`${pod}.${container}.log`, 'logs', pod, '--container', container)
      }
    }
  }
  return folder
}

/** One line a pod: its name and the names of all its containers. */
const podsAndContainers =
  'jsonpath={range .items[*]}{.metadata.name}{"\\t"}{.spec.initContainers[*].name}{" "}{.spec.containers[*].name}{"\\n"}{end}'

function messageOf(error: unknown): string {
  return `${error instanceof Error ? error.message : error}\n`
}
