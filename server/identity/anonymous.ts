import type { UploadIdentity } from './upload-identity.ts'

/** Everyone who can reach the server may upload everywhere: for a server on loopback. */
export const anonymous: UploadIdentity = {
  name: 'none',
  identify: async () => ({ name: 'anonymous', missingRight: async () => undefined })
}
