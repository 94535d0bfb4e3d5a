import type { V1Pod, V1Service, V1ServicePort } from '@kubernetes/client-node'

/** The port of a Service that is meant; its first one when none is named. */
export function servicePort(service: V1Service, port?: number): V1ServicePort | undefined {
  const ports = service.spec?.ports ?? []
  return port === undefined ? ports[0] : ports.find(other => other.port === port)
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
