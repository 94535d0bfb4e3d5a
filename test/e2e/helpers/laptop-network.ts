import { nodeAddress } from '../../cluster/addresses.ts'
import { runInNamespace } from '../../cluster/network.ts'
import { namespaceName } from '../../cluster/paths.ts'
import { runCommand } from '../../cluster/run-command.ts'
import type { Scope } from '../../integration/helpers/start-process.ts'

const name = 'spark-stage-laptop'
/** Interfaces have at most 15 characters. */
const [outer, inner] = ['stage-laptop', 'stage-node']
const [laptopAddress, gatewayAddress] = ['10.89.0.2', '10.89.0.1']

/**
 * Makes a network, until the test's end, from which the API server can be reached and nothing else of the cluster.
 *
 * @returns what a command in it begins with
 */
export async function makeLaptopNetwork(t: Scope, apiPort: string): Promise<readonly string[]> {
  const inLaptop = ['nsenter', `--net=/run/netns/${name}`] as const
  const [nsenter, net] = inLaptop
  const run = (...command: readonly string[]) => runCommand(nsenter, [net, ...command])
  const rules = [
    ['INPUT', '-i', inner, '-p', 'tcp', '--dport', apiPort, '-j', 'ACCEPT'],
    ['INPUT', '-i', inner, '-j', 'DROP'],
    ['FORWARD', '-i', inner, '-j', 'DROP']
  ]
  t.teardown(async () => {
    await runCommand('ip', ['netns', 'delete', name])
    for (const rule of rules) await runInNamespace('iptables', '--delete', ...rule)
  })
  await runCommand('ip', ['netns', 'add', name])
  await run('ip', 'link', 'set', 'lo', 'up')
  await run('ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', inner)
  // The other end goes into the cluster's network.
  await run('ip', 'link', 'set', inner, 'netns', `/run/netns/${namespaceName}`)
  await run('ip', 'address', 'add', `${laptopAddress}/30`, 'dev', outer)
  await run('ip', 'link', 'set', outer, 'up')
  await runInNamespace('ip', 'address', 'add', `${gatewayAddress}/30`, 'dev', inner)
  await runInNamespace('ip', 'link', 'set', inner, 'up')
  await run('ip', 'route', 'add', `${nodeAddress}/32`, 'via', gatewayAddress)
  await run('ip', 'route', 'add', '10.96.0.0/16', 'via', gatewayAddress)
  // Before what kube-proxy has made of the services.
  for (const [at, rule] of rules.entries()) {
    const [chain = '', ...match] = rule
    await runInNamespace('iptables', '--insert', chain, chain === 'INPUT' ? `${at + 1}` : '1', ...match)
  }
  return inLaptop
}
