import Type from 'typebox'
import { kinds } from '../../shared/names.ts'
import { DraftRequest, Sha256 } from './schemas.ts'

// Parameters and names are checked by hand, for errors that say more than a pattern; here they are only described.

const Namespace = Type.String({
  pattern: '^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$',
  description: 'Namespace, a DNS label.',
  examples: ['team-a']
})

const BundleId = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: 'Bundle id.',
  examples: ['5f1b7b496897d0fb55e0f24e9b538238']
})

const Kind = Type.Enum([...kinds], { description: 'What Spark is to do with it.' })

const FileName = Type.String({
  pattern: '^[^/\\\\\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]+$',
  minLength: 1,
  maxLength: 255,
  description: 'A plain file name of at most 255 bytes; neither . nor ..'
})

/** Parameters of the path of a namespace. */
export const NamespacePath = Type.Object({ ns: Namespace })

/** Parameters of the path of a bundle. */
export const BundlePath = Type.Object({ ns: Namespace, id: BundleId })

/** Parameters of the path of a blob. */
export const BlobPath = Type.Object({ ...BundlePath.properties, sha256: Sha256 })

/** Parameters of the path of an entry; its own path is their last two. */
export const EntryPath = Type.Object({ ...BundlePath.properties, kind: Kind, file: FileName })

/** Any bytes. */
export const Bytes = Type.String({ format: 'binary' })

/** A one-shot upload. */
export const Form = Type.Object(
  Object.fromEntries(kinds.map(kind => [kind, Type.Optional(Type.Array(Bytes, { minItems: 1 }))])),
  {
    description:
      'Each part is a file: its field name is the kind, its filename the name, which may end in #alias. At least one.',
    minProperties: 1,
    additionalProperties: false
  }
)

/** The declaration of a draft. */
export const Draft = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          ...DraftRequest.properties.entries.items.properties,
          kind: Kind,
          name: FileName,
          alias: Type.Optional(FileName)
        },
        { additionalProperties: false }
      ),
      { minItems: 1, maxItems: 10_000 }
    )
  },
  {
    additionalProperties: false,
    examples: [
      {
        entries: [
          {
            kind: 'jars',
            name: 'util.jar',
            sizeBytes: 5,
            sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
          }
        ]
      }
    ]
  }
)

/** Headers of a conditional or partial download. */
export const Conditions = Type.Object({
  range: Type.Optional(Type.String({ description: 'One range of bytes (RFC 9110, section 14).' })),
  'if-range': Type.Optional(Type.String({ description: 'The ETag that the range belongs to.' })),
  'if-match': Type.Optional(Type.String({ description: 'ETags, one of which the bytes must have.' })),
  'if-none-match': Type.Optional(Type.String({ description: 'ETags, none of which the bytes may have.' })),
  'x-spark-stage-redirect': Type.Optional(
    Type.String({ description: 'With the value no, the server sends the bytes itself.', examples: ['no'] })
  )
})

/** The header that makes an upload repeatable. */
export const Idempotency = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description: 'The same key by the same principal in the same namespace is the same bundle.',
      examples: ['6f9c2f0e-6a55-4d0c-9c3b-2f6d1c7e9b11']
    })
  )
})
