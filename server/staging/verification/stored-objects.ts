import Type from 'typebox'
import { Value } from 'typebox/value'
import { parseManifest } from '../../../shared/manifest.ts'
import { checkNamespace } from '../../../shared/names.ts'
import { isInDoubt, readIfThere, type StorageDriver } from '../../storage/storage-driver.ts'
import { type Attempt, leaseKey, manifestKey, unnamed } from '../keys.ts'
import type { Lease } from '../lease.ts'
import type { StoredEntry, StoredManifest } from '../manifests.ts'

const count = Type.Integer({ minimum: 0 })
const text = Type.String()

/** What every lease has; and what it has besides, by its state. */
const leaseSchemas = {
  every: Type.Object({
    namespace: text,
    principal: text,
    state: Type.Union([Type.Literal('draft'), Type.Literal('committed'), Type.Literal('ended')]),
    createdAtMs: count,
    expiresAtMs: count,
    attempt: count
  }),
  draft: Type.Object({}),
  committed: Type.Object({
    namespace: Type.String({ minLength: 1 }),
    tokenExpiresAtMs: count,
    account: text,
    sizeBytes: count
  }),
  ended: Type.Object({ reason: text, endedAtMs: count })
}

/** An object of a store that nobody vouches for: good, not there, or not to be read, and why. */
export type Examined<T> =
  | { readonly is: 'good'; readonly value: T }
  | { readonly is: 'missing' }
  | { readonly is: 'broken'; readonly why: string }

/** The lease of a bundle, if it is one. */
export function examineLease(store: StorageDriver, bundleId: string): Promise<Examined<Lease>> {
  return examine(store, leaseKey(bundleId), parseLease)
}

/** The manifest of an attempt at a bundle of `namespace`, if it is one. */
export function examineManifest(
  store: StorageDriver,
  namespace: string,
  attempt: Attempt
): Promise<Examined<StoredManifest>> {
  return examine(store, manifestKey(attempt), stored => parseStoredManifest(stored, namespace, attempt))
}

async function examine<T>(
  store: StorageDriver,
  key: string,
  parse: (stored: string) => T
): Promise<Examined<T>> {
  try {
    const found = await readIfThere(store, key)
    return found === undefined ? { is: 'missing' } : { is: 'good', value: parse(found.text) }
  } catch (error) {
    if (isInDoubt(error)) throw error
    // A boundary: the store and the parsers throw nothing but Errors.
    return { is: 'broken', why: (error as Error).message }
  }
}

/** @throws Error that says what is wrong with it */
function parseLease(stored: string): Lease {
  const value: unknown = JSON.parse(stored)
  mustMatch(leaseSchemas.every, value)
  // A boundary: it was checked just now.
  const lease = value as Lease
  mustMatch(leaseSchemas[lease.state], value)
  if (lease.namespace !== unnamed) checkNamespace(lease.namespace)
  return lease
}

/** The manifest of an attempt at a bundle of `namespace`. @throws Error that says what is wrong with it */
export function parseStoredManifest(stored: string, namespace: string, attempt: Attempt): StoredManifest {
  const value: unknown = JSON.parse(stored)
  parseManifest(value, namespace, attempt.bundleId)
  mustMatch(Type.Object({ attempt: Type.Literal(attempt.attempt) }), value)
  mustMatch(Type.Object({ entries: Type.Array(Type.Object({ data: count })) }), value)
  // A boundary: everything was checked just now.
  const manifest = value as StoredManifest
  mustAgree(manifest.entries)
  return manifest
}

function mustMatch(schema: Type.TSchema, value: unknown): void {
  const [error] = Value.Errors(schema, value)
  if (error !== undefined) throw new Error(`${error.instancePath || 'it'} ${error.message}`)
}

/** Entries that share a data object share its bytes. */
function mustAgree(entries: readonly StoredEntry[]): void {
  const digests = new Map<number, string>()
  for (const { data, sha256 } of entries) {
    const other = digests.get(data)
    if (other !== undefined && other !== sha256) throw new Error(`two digests for data object ${data}`)
    digests.set(data, sha256)
  }
}
