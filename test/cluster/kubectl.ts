import { inNamespace } from './network.ts'
import { statePath } from './paths.ts'
import { programPath } from './programs.ts'
import { runCommand } from './run-command.ts'

/** The administrator's kubeconfig of the cluster that `up` makes. */
export const ownKubeconfig = statePath('kubeconfig', 'admin')

const { KUBECONFIG: kubeconfig } = process.env

/** The user's own cluster, which is used instead; undefined when there is none. */
export const givenKubeconfig = kubeconfig && kubeconfig !== ownKubeconfig ? kubeconfig : undefined

/** The kubectl to use, as an argument vector. */
export const kubectlCommand: readonly [string, ...string[]] =
  givenKubeconfig === undefined
    ? [...inNamespace, programPath('kubectl'), `--kubeconfig=${ownKubeconfig}`]
    : ['kubectl']

/** Runs kubectl as the cluster's administrator. @returns what it printed @throws Error with what it complained of */
export async function kubectl(...args: readonly string[]): Promise<string> {
  const [command, ...first] = kubectlCommand
  return await runCommand(command, [...first, ...args])
}
