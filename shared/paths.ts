/** `/api/v1/namespaces/{ns}/bundles`: where bundles are staged and listed. */
export function bundlesPath(namespace: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/bundles`
}

/** One bundle as its uploader sees it: `…/blobs/{sha256}`, `…/commit`, `…/token`, `…/renew` hang below it. */
export function bundlePath(namespace: string, bundleId: string): string {
  return `${bundlesPath(namespace)}/${encodeURIComponent(bundleId)}`
}

/** Where a draft takes the bytes of one digest. */
export function blobPath(namespace: string, bundleId: string, sha256: string): string {
  return `${bundlePath(namespace, bundleId)}/blobs/${encodeURIComponent(sha256)}`
}

/** The manifest, for whoever holds the download token. */
export function manifestPath(namespace: string, bundleId: string): string {
  return `/api/v1/bundles/${encodeURIComponent(namespace)}/${encodeURIComponent(bundleId)}`
}

/** The bytes of the entry at `path` (`<kind>/<name>`). */
export function entryPath(namespace: string, bundleId: string, path: string): string {
  return `${manifestPath(namespace, bundleId)}/entries/${path.split('/').map(encodeURIComponent).join('/')}`
}
