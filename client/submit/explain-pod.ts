import { exitCodes } from '../../shared/exit-codes.ts'
import type { ContainerStatus, JobPod, Terminated } from './job-cluster.ts'
import { podNames } from './pod-template.ts'

/** The label that Spark gives its pods: `driver` or `executor`. */
export const roleLabel = 'spark-role'

/** A pod as people know it: `driver word-count-driver`. */
export function nameOfPod({ metadata }: JobPod): string {
  return `${metadata?.labels?.[roleLabel] ?? 'pod'} ${metadata?.name ?? ''}`
}

/** A driver; every pod that the API server tells of has a name and a uid. */
export type DriverPod = JobPod & { readonly metadata: { readonly name: string; readonly uid: string } }

/** Whether this is the driver. */
export function isDriver(pod: JobPod): pod is DriverPod {
  return pod.metadata?.labels?.[roleLabel] === 'driver'
}

/** Each container of a pod that failed or cannot start, in words; none when all is well. */
export function troublesOf(pod: JobPod): readonly string[] {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {}
  const troubles = [
    ...initContainerStatuses.map(status => troubleOf('init container', status)),
    ...containerStatuses.map(status => troubleOf('container', status))
  ]
  return troubles.filter(trouble => trouble !== undefined)
}

/** Why a pod failed: its containers, or else what Kubernetes says of the pod itself, such as an eviction. */
export function whyFailed(pod: JobPod): string {
  const troubles = troublesOf(pod)
  const { reason, message } = pod.status ?? {}
  const said = [reason, message].filter(text => text !== undefined && text !== '').join(': ')
  if (said !== '') return [said, ...troubles].join('\n')
  return troubles.length > 0 ? troubles.join('\n') : 'Kubernetes gives no reason'
}

/** Reasons to wait that do not pass by themselves, or not soon. */
const stuckReasons: ReadonlySet<string> = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'ErrImageNeverPull',
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'RunContainerError'
])

function troubleOf(what: string, { name, state, lastState }: ContainerStatus): string | undefined {
  const ended = state?.terminated ?? lastState?.terminated
  if (ended !== undefined && ended.exitCode !== 0) {
    return `${what} ${name} ended with ${describeEnd(name, ended)}`
  }
  const { reason = '', message = '' } = state?.waiting ?? {}
  if (!stuckReasons.has(reason)) return undefined
  return `${what} ${name} cannot start: ${printable([reason, message].filter(text => text !== '').join(': '))}`
}

/** The exit code, with its cause where it is ours, and the message that the container left. */
function describeEnd(container: string, { exitCode, reason, message }: Terminated): string {
  const cause = container === podNames.initContainer ? causeOf(exitCode) : undefined
  const known = cause ?? (reason === 'Error' ? undefined : reason)
  const code = `exit code ${exitCode}${known === undefined ? '' : ` (${known})`}`
  const said = printable(message ?? '').trim()
  return said === '' ? code : `${code}: ${said}`
}

function causeOf(exitCode: number): string | undefined {
  return Object.entries(exitCodes).find(([, { code }]) => code === exitCode)?.[0]
}

/** Text from pods goes to a terminal: without the characters that could steer it. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, ' ')
}
