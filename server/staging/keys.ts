/** Where everything lies in the store, the same on disk and in S3. */

/** A folder per hour (UTC), in it an empty object per bundle to be looked at in that hour. */
export function dueKey(atMs: number, bundleId: string): string {
  return `due/${new Date(atMs).toISOString().slice(0, 13)}/${bundleId}`
}

/** The only object of a bundle that changes. */
export function leaseKey(bundleId: string): string {
  return `bundles/${bundleId}/lease.json`
}

/** Written once; readable for the outside once the lease says committed. */
export function manifestKey(bundleId: string): string {
  return `bundles/${bundleId}/manifest.json`
}

/** The folder of a bundle's bytes: one object for each distinct digest, named by its number. */
export function dataFolder(bundleId: string): string {
  return `bundles/${bundleId}/data/`
}

export function dataKey(bundleId: string, number: number): string {
  return `${dataFolder(bundleId)}${number}`
}

/** The folder with an empty object per bundle of a namespace. */
export function indexFolder(namespace: string): string {
  return `index/${namespace}/`
}

export function indexKey(namespace: string, bundleId: string): string {
  return `${indexFolder(namespace)}${bundleId}`
}

/** Holds the id of the bundle in which these bytes were seen last; losing one only costs an upload. */
export function hintKey(namespace: string, sha256: string): string {
  return `hints/${namespace}/${sha256}`
}
