import type { Cluster } from '../../cluster/cluster.ts'
import { repositoryPath } from '../../integration/helpers/programs.ts'
import {
  type Ending,
  type Running,
  type Scope,
  startProcess
} from '../../integration/helpers/start-process.ts'
import type { Instance } from './instance.ts'

/** Who runs `spark-stage`, and against which instance. */
export interface StageCommand {
  readonly instance: Instance
  readonly kubeconfig: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Starts `spark-stage` in the cluster's network, where only the API server is an address that it uses. */
export function startCommand(t: Scope, cluster: Cluster, command: StageCommand): Running {
  const { instance, kubeconfig, args, env = {} } = command
  const program = [process.execPath, repositoryPath('client/main.ts'), ...args]
  const [first = '', ...rest] = [...cluster.inNamespace, ...program]
  return startProcess(t, first, rest, {
    env: {
      KUBECONFIG: kubeconfig,
      SPARK_STAGE_SERVER: instance.server,
      SPARK_STAGE_AUDIENCE: instance.name,
      ...env
    }
  })
}

/** Runs it to its end. */
export function runStage(t: Scope, cluster: Cluster, command: StageCommand): Promise<Ending> {
  return startCommand(t, cluster, command).ended
}
