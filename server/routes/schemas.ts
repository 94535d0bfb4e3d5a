import Type from 'typebox'

/** Namespaces and ids are checked by hand, for errors that say more than a pattern; here they are only described. */
export const NamespaceParams = Type.Object({ ns: Type.String({ description: 'Namespace, a DNS label.' }) })

export const BundleParams = Type.Object({
  ns: Type.String({ description: 'Namespace, a DNS label.' }),
  id: Type.String({ description: 'Bundle id, 32 lowercase hex digits.' })
})

export const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, lowercase hex.' })

export const Entry = Type.Object({
  kind: Type.String({ description: 'app, jars, pyFiles, files or archives.' }),
  name: Type.String({ description: 'Base name.' }),
  alias: Type.Optional(Type.String({ description: 'What followed #.' })),
  path: Type.String({ description: 'Where it lands below the staging directory.' }),
  sizeBytes: Type.Integer({ minimum: 0 }),
  sha256: Sha256,
  executable: Type.Boolean()
})

export const Manifest = Type.Object({
  bundleId: Type.String(),
  namespace: Type.String(),
  createdAt: Type.String({ description: 'RFC 3339.' }),
  entries: Type.Array(Entry)
})

export const DraftRequest = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          kind: Type.String(),
          name: Type.String(),
          alias: Type.Optional(Type.String()),
          sizeBytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
          sha256: Sha256,
          executable: Type.Optional(Type.Boolean())
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)

export const DraftAnswer = Type.Object({
  bundleId: Type.String(),
  missing: Type.Array(Sha256, { description: 'What has to be uploaded before the commit.' })
})

export const StagedAnswer = Type.Object({
  bundleId: Type.String(),
  token: Type.String({ description: 'Download token: opens this bundle, to read.' }),
  expiresAt: Type.String({ description: 'End of the lease, RFC 3339; downloads and renewals push it on.' }),
  entries: Type.Optional(Type.Array(Entry))
})

export const RenewAnswer = Type.Object({ bundleId: Type.String(), expiresAt: Type.String() })

export const BlobAnswer = Type.Object({ sha256: Sha256, sizeBytes: Type.Integer({ minimum: 0 }) })

export const ListQuery = Type.Object({
  after: Type.Optional(
    Type.String({ pattern: '^[0-9a-f]{1,32}$', description: 'Last bundle id of the page before.' })
  ),
  limit: Type.Optional(
    Type.String({ pattern: '^(?:[1-9][0-9]{0,2}|1000)$', description: '1 to 1000, default 100.' })
  )
})

export const BundleList = Type.Object({
  bundles: Type.Array(
    Type.Object({
      bundleId: Type.String(),
      state: Type.String({ description: 'draft or committed.' }),
      principal: Type.String(),
      sizeBytes: Type.Optional(Type.Integer({ description: 'What it holds, once committed.', minimum: 0 })),
      createdAt: Type.String(),
      expiresAt: Type.String()
    })
  ),
  next: Type.Optional(Type.String({ description: 'Give it as "after" for the next page.' }))
})
