import { readdir, readFile, readlink, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { containerIds, endContainers } from './container-runtime.ts'
import { removeNetwork } from './network.ts'
import { isThere } from './once-cached.ts'
import { namespaceName, ownershipMark, stateFolder, statePath } from './paths.ts'
import { processNames, stopProcess } from './processes.ts'
import { say } from './progress.ts'
import { runCommand } from './run-command.ts'

/** Ends the cluster and removes all that it left, on disk, in the kernel and in the folders that containerd and CNI insist on. */
export async function bringDown(): Promise<void> {
  if (!(await isThere(ownershipMark))) {
    throw new Error(
      `${stateFolder} is no cluster's: name another folder as SPARK_STAGE_CLUSTER_DIR, or remove it`
    )
  }
  say(`ending the cluster in ${stateFolder}`)
  const names = await processNames()
  // Nothing is to start containers again, or to be asked to, while they are ended.
  const order = [
    'kubelet',
    'kube-proxy',
    'coredns',
    'kube-scheduler',
    'kube-controller-manager',
    'kube-apiserver'
  ]
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length)
  for (const name of [...names].sort((a, b) => rank(a) - rank(b))) await stopProcess(name)
  const containers = await containerIds()
  await endContainers()
  await unmountAll()
  await removeNetwork()
  await removeLinksToPodLogs()
  await removeAddressResults(containers)
  await removeCgroups(containers)
  await rm(stateFolder, { recursive: true, force: true })
  say('the cluster is gone')
}

/** Pods' volumes, containers' file systems and their network namespaces; the deepest first. */
async function unmountAll(): Promise<void> {
  const points = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map(line => line.split(' ')[1] ?? '')
  const ours = points.filter(point => point.startsWith(`${stateFolder}/`))
  for (const point of ours.sort((a, b) => b.length - a.length)) {
    await runCommand('umount', [
      '--lazy',
      point.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
    ])
  }
}

/** The kubelet puts links to pods' logs into this folder, whatever its configuration says. */
async function removeLinksToPodLogs(): Promise<void> {
  const folder = '/var/log/containers'
  for (const name of await readdir(folder).catch(() => [])) {
    const target = await readlink(join(folder, name)).catch(() => '')
    if (target.startsWith(`${statePath()}/`)) await rm(join(folder, name), { force: true })
  }
}

/** What CNI remembers of each pod's addresses. */
async function removeAddressResults(containers: readonly string[]): Promise<void> {
  const folder = '/var/lib/cni/results'
  const results = containers.flatMap(id => [`${namespaceName}-${id}-eth0`, `cni-loopback-${id}-lo`])
  for (const result of results) await rm(join(folder, result), { force: true })
}

/** Cgroups of killed containers stay, empty; so does the one above them. One that is not empty is somebody else's. */
async function removeCgroups(containers: readonly string[]): Promise<void> {
  const root = '/sys/fs/cgroup'
  const controllers = await readdir(root, { withFileTypes: true })
  const roots = [
    root,
    ...controllers.filter(entry => entry.isDirectory()).map(entry => join(root, entry.name))
  ]
  for (const folder of roots) {
    for (const id of [...containers, '']) await rmdir(join(folder, 'k8s.io', id)).catch(() => {})
  }
}
