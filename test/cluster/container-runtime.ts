import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeAddress, podRange } from './addresses.ts'
import { pauseImage } from './images.ts'
import { namespaceName, statePath } from './paths.ts'
import { processIds } from './process-ids.ts'
import { beganAt, endProcess, startProcess } from './processes.ts'
import { runCommand } from './run-command.ts'
import { waitUntil } from './wait-until.ts'

export const containerdSocket = statePath('containerd.sock')

const tasks = statePath('containerd', 'state', 'io.containerd.runtime.v2.task', 'k8s.io')

/** Starts containerd with folders of its own, and waits until it answers. */
export async function startContainerd(): Promise<void> {
  await mkdir(statePath('cni'), { recursive: true })
  await writeFile(statePath('cni', '10-bridge.conflist'), JSON.stringify(podNetwork))
  await writeFile(statePath('containerd.toml'), configuration)
  await startProcess('containerd', ['containerd', '--config', statePath('containerd.toml')])
  await waitUntil('containerd answers', 30_000, () =>
    ctr('version').then(
      () => true,
      () => false
    )
  )
}

/**
 * Brings an image into the cluster. Pods must not pull it: `imagePullPolicy: Never` or `IfNotPresent`.
 *
 * @param archive an OCI archive with one image
 * @param name as pods write it, with the registry; whatever the archive calls it
 */
export async function importImage(archive: string, name: string): Promise<void> {
  const printed = await ctr('images', 'import', archive)
  const imported = /^unpacking (\S+)/m.exec(printed)?.[1]
  if (imported === undefined) throw new Error(`no image was found in ${archive}: ${printed}`)
  if (imported !== name) await ctr('images', 'tag', '--force', imported, name)
}

/** The ids of all containers, sandboxes too; also when containerd has ended. */
export async function containerIds(): Promise<readonly string[]> {
  return await readdir(tasks).catch(() => [])
}

/** Ends the containers, which outlive containerd, and removes what is left of them outside of our folders. */
export async function endContainers(): Promise<void> {
  const sockets = await shimSockets()
  const shims = await processIds(isOurShim)
  for (const shim of shims) {
    for (const child of await processIds(async pid => (await parentOf(pid)) === shim)) await kill(child)
    await kill(shim)
  }
  for (const socket of sockets) await rm(socket, { force: true })
}

async function isOurShim(pid: number): Promise<boolean> {
  const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
  return command[0]?.includes('containerd-shim') === true && command.includes(containerdSocket)
}

async function parentOf(pid: number): Promise<number> {
  return Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
}

async function kill(pid: number): Promise<void> {
  const began = await beganAt(pid)
  if (began !== undefined) await endProcess(pid, began, ['SIGKILL'])
}

/** A shim listens below /run, whatever containerd's configuration says, and removes that socket only if it ends well. */
async function shimSockets(): Promise<readonly string[]> {
  const addresses = (await containerIds()).map(name =>
    readFile(join(tasks, name, 'address'), 'utf8').catch(() => '')
  )
  return (await Promise.all(addresses))
    .filter(address => address !== '')
    .map(address => fileURLToPath(address.replace('unix:', 'file:')))
}

async function ctr(...args: readonly string[]): Promise<string> {
  const to = ['--address', containerdSocket, '--namespace', 'k8s.io']
  return await runCommand('ctr', [...to, ...args], { timeoutMs: 300_000 })
}

/** Pods are plugged into the bridge that has the node's address, so all of them see the node's own services. */
const podNetwork = {
  cniVersion: '1.0.0',
  name: namespaceName,
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: false,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        dataDir: statePath('cni', 'addresses'),
        ranges: [[{ subnet: podRange, rangeStart: '10.88.1.0', gateway: nodeAddress }]],
        routes: [{ dst: '0.0.0.0/0' }]
      }
    },
    { type: 'portmap', capabilities: { portMappings: true } }
  ]
}

// restrict_oom_score_adj: without CAP_SYS_RESOURCE no sandbox starts otherwise.
const configuration = `version = 2
root = "${statePath('containerd', 'root')}"
state = "${statePath('containerd', 'state')}"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
  address = "${containerdSocket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${statePath('cni')}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "${statePath('containerd', 'runc')}"
`
