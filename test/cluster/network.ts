import { nodeAddress } from './addresses.ts'
import { isThere } from './once-cached.ts'
import { namespaceName } from './paths.ts'
import { runCommand } from './run-command.ts'

const namespacePath = `/run/netns/${namespaceName}`

/**
 * What runs a command in the cluster's network: `[...inNamespace, 'curl', …]`. Not `ip netns exec`, which mounts a new
 * /sys, without the cgroups that the kubelet needs.
 */
export const inNamespace = ['nsenter', `--net=${namespacePath}`] as const

/** Runs a command in the cluster's network. */
export async function runInNamespace(...command: readonly string[]): Promise<string> {
  const [program, ...args] = [...inNamespace, ...command]
  return await runCommand(program, args)
}

/** Makes a network that reaches nothing outside, with the node's address on the bridge that pods are plugged into. */
export async function makeNetwork(): Promise<void> {
  if (await isThere(namespacePath)) return
  await runCommand('ip', ['netns', 'add', namespaceName])
  await runInNamespace('ip', 'link', 'set', 'lo', 'up')
  await runInNamespace('ip', 'link', 'add', 'cni0', 'type', 'bridge')
  await runInNamespace('ip', 'address', 'add', `${nodeAddress}/16`, 'dev', 'cni0')
  await runInNamespace('ip', 'link', 'set', 'cni0', 'up')
  // Components look for the interface of the default route.
  await runInNamespace('ip', 'route', 'add', 'default', 'dev', 'cni0')
  await runInNamespace('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1')
}

export async function removeNetwork(): Promise<void> {
  if (await isThere(namespacePath)) await runCommand('ip', ['netns', 'delete', namespaceName])
}
