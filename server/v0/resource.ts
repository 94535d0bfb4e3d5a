/** What was uploaded is one entry of a bundle like any other: a gzipped tar, though nobody here looks into it. */
export const entryKind = 'files'
export const entryName = 'resources.tgz'

/** A bundle's id as the fork writes its ids: 32 hex digits as a UUID. */
export function toResourceId(bundleId: string): string {
  return bundleId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** The bundle's id in a resource id; empty, which is no bundle's id, when it is not a UUID. */
export function toBundleId(resourceId: string): string {
  const isUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(resourceId)
  return isUuid ? resourceId.replaceAll('-', '') : ''
}
