/** The label of the pods of an application: the id of the bundle that they are staged from. */
export const bundleLabel = 'spark-stage/bundle'

/** Pods that have not come to their end, as the API server itself tells them apart. */
export const alivePods = 'status.phase!=Succeeded,status.phase!=Failed'

/** Where pods are listed and watched. */
export function podsPath(namespace: string | undefined): string {
  return namespace === undefined ? '/api/v1/pods' : `/api/v1/namespaces/${namespace}/pods`
}

/** Labels as a selector: a pod must have all of them. */
export function labelSelector(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}
