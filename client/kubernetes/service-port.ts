import type { V1Pod, V1Service, V1ServicePort } from '@kubernetes/client-node'
import { describe, usageError } from '../client-error.ts'

/** Which port of which Service; its first one when none is named. */
export interface ServicePlace {
  readonly namespace: string
  readonly service: string
  readonly port?: number
}

/**
 * The port of a Service that is meant.
 *
 * @throws ClientError (usage) when there is none, or no pods are behind it
 */
export function findPort(
  service: V1Service,
  { namespace, service: name, port }: ServicePlace
): V1ServicePort {
  const ports = service.spec?.ports ?? []
  const found = port === undefined ? ports[0] : ports.find(other => other.port === port)
  if (selectorOf(service) === '') {
    throw usageError(`Service ${namespace}/${name} selects no pods, so there is nothing to forward a port to`)
  }
  if (found !== undefined) return found
  const numbers = ports.map(other => other.port).join(', ')
  throw usageError(
    describe(`Service ${namespace}/${name} has no port ${port ?? ''}`.trimEnd(), {
      expected: `one of ${numbers || 'none'}`
    })
  )
}

/** Whether a Service says of a port that it speaks https. */
export function speaksHttps({ name, appProtocol }: V1ServicePort): boolean {
  return name === 'https' || appProtocol?.toLowerCase() === 'https'
}

/** The port of a pod behind a Service's: by number, or by the name that a container gives it. */
export function targetPort(
  pod: V1Pod,
  { port, targetPort: target = port }: V1ServicePort
): number | undefined {
  if (typeof target === 'number') return target
  const ports = pod.spec?.containers.flatMap(container => container.ports ?? []) ?? []
  return ports.find(({ name }) => name === target)?.containerPort
}

/** A label selector as it is written in a query. */
export function selectorOf(service: V1Service): string {
  const { selector = {} } = service.spec ?? {}
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}

export function isReady(pod: V1Pod): boolean {
  const isLeaving = pod.metadata?.deletionTimestamp !== undefined
  const conditions = pod.status?.conditions ?? []
  return !isLeaving && conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}
