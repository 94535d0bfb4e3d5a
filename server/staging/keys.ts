/** Where everything lies in the store, the same on disk and in S3. */

/** The folder of all due markers: a folder per hour, in it an empty object per bundle to be looked at in that hour. */
export const dueRoot = 'due/'

/** The hour (UTC) of a time, as the due markers write it; hours sort as their names do. */
export function dueHour(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 13)
}

/** Whether this is an hour as the due markers write it. */
export function isDueHour(name: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d$/.test(name)
}

export function dueFolder(hour: string): string {
  return `${dueRoot}${hour}/`
}

export function dueKey(atMs: number, bundleId: string): string {
  return `${dueFolder(dueHour(atMs))}${bundleId}`
}

/** The folder of all bundles: a folder per bundle, named by its id. */
export const bundlesRoot = 'bundles/'

/** A bundle's folder: its lease, and a folder per attempt at staging it. */
export function bundleFolder(bundleId: string): string {
  return `${bundlesRoot}${bundleId}/`
}

/** The only object of a bundle that changes. */
export function leaseKey(bundleId: string): string {
  return `${bundleFolder(bundleId)}lease.json`
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

/** Whether something in a bundle's folder is called as the folder of an attempt, as lists write it. */
export function isAttemptFolder(name: string): boolean {
  return /^\d{1,9}\/$/.test(name)
}

/** The folder of an attempt: its manifest and its bytes. */
export function attemptFolder({ bundleId, attempt }: Attempt): string {
  return `${bundleFolder(bundleId)}${attempt}/`
}

/** Written once; readable for the outside once the lease says that this attempt is committed. */
export function manifestKey(attempt: Attempt): string {
  return `${attemptFolder(attempt)}manifest.json`
}

/** The folder of an attempt's bytes: one object for each distinct digest, named by its number. */
export function dataFolder(attempt: Attempt): string {
  return `${attemptFolder(attempt)}data/`
}

export function dataKey(attempt: Attempt, number: number): string {
  return `${dataFolder(attempt)}${number}`
}

/** Whether something in the folder of an attempt's bytes is called as they are. */
export function isDataName(name: string): boolean {
  return /^\d+$/.test(name)
}

/** The folder of all indexes: a folder per namespace. */
export const indexRoot = 'index/'

/** The folder with an empty object per bundle of a namespace. */
export function indexFolder(namespace: string): string {
  return `${indexRoot}${namespace}/`
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

/** The folder of all hints: a folder per namespace. */
export const hintsRoot = 'hints/'

export function hintsFolder(namespace: string): string {
  return `${hintsRoot}${namespace}/`
}

/** Holds the id of the bundle in which these bytes were seen last; losing one only costs an upload. */
export function hintKey(namespace: string, sha256: string): string {
  return `${hintsFolder(namespace)}${sha256}`
}

/** Under which account a declared draft is counted. */
export function draftAccount(bundleId: string): string {
  return `${bundleId}/draft`
}

/** Under which account an attempt at a one-shot upload is counted, before its commit and after. */
export function attemptAccount({ bundleId, attempt }: Attempt): string {
  return `${bundleId}/${attempt}`
}

/** What namespaces hold and have reserved: one object for the whole store. */
export const usageKey = 'usage.json'
