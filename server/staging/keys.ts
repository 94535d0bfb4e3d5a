/** Where everything lies in the store, the same on disk and in S3. */

/** The folder of all due markers: a folder per hour, in it an empty object per bundle to be looked at in that hour. */
export const dueRoot = 'due/'

/** The hour (UTC) of a time, as the due markers write it; hours sort as their names do. */
export function dueHour(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 13)
}

export function dueFolder(hour: string): string {
  return `${dueRoot}${hour}/`
}

export function dueKey(atMs: number, bundleId: string): string {
  return `${dueFolder(dueHour(atMs))}${bundleId}`
}

/** The only object of a bundle that changes. */
export function leaseKey(bundleId: string): string {
  return `bundles/${bundleId}/lease.json`
}

/**
 * One try at staging a bundle. A one-shot upload that died is tried again under the same id, and the dead one may turn
 * out to be only slow: each has a folder of its own, so it can never touch what another has written.
 */
export interface Attempt {
  readonly bundleId: string
  /** 0 for the first. */
  readonly attempt: number
}

/** Written once; readable for the outside once the lease says that this attempt is committed. */
export function manifestKey({ bundleId, attempt }: Attempt): string {
  return `bundles/${bundleId}/${attempt}/manifest.json`
}

/** The folder of an attempt's bytes: one object for each distinct digest, named by its number. */
export function dataFolder({ bundleId, attempt }: Attempt): string {
  return `bundles/${bundleId}/${attempt}/data/`
}

export function dataKey(attempt: Attempt, number: number): string {
  return `${dataFolder(attempt)}${number}`
}

/** The folder with an empty object per bundle of a namespace. */
export function indexFolder(namespace: string): string {
  return `index/${namespace}/`
}

export function indexKey(namespace: string, bundleId: string): string {
  return `${indexFolder(namespace)}${bundleId}`
}

/**
 * Stands in the lease of a draft whose uploader names the namespace last. No namespace is called so: nobody can ask for
 * the draft, and no index lists it.
 */
export const unnamed = ''

/** Where a bundle is listed: nowhere while its namespace is {@link unnamed}. */
export function indexKeys(namespace: string, bundleId: string): readonly string[] {
  return namespace === unnamed ? [] : [indexKey(namespace, bundleId)]
}

/** Holds the id of the bundle in which these bytes were seen last; losing one only costs an upload. */
export function hintKey(namespace: string, sha256: string): string {
  return `hints/${namespace}/${sha256}`
}
