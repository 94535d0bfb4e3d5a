import t from 'tap'
import { toStorageError } from '../../../server/storage/s3-failure.ts'

/** What the SDK throws, and what has to be said of it. */
const failures: readonly (readonly [what: string, error: object, says: string])[] = [
  [
    'an answer',
    { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } },
    'do: S3 answered 403 AccessDenied: the credentials lack a right that docs/s3.md lists: grant it for this bucket and prefix, or use others'
  ],
  [
    'a connection that was cut',
    { name: 'TimeoutError', code: 'ECONNRESET', $metadata: { attempts: 5 } },
    'do: no answer: ECONNRESET: the way to S3 is cut: mend SPARK_STAGE_S3_ENDPOINT, or what is in between'
  ],
  [
    'a region that is not set',
    { name: 'Error', message: 'Region is missing' },
    'do: no answer: NoRegion: the region is not known: set SPARK_STAGE_S3_REGION'
  ],
  [
    'a role that may not be taken, which no right to the bucket mends',
    {
      name: 'AccessDenied',
      Code: 'AccessDenied',
      message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
      $metadata: { httpStatusCode: 403 }
    },
    'do: S3 answered 403 NoRole: the role is refused: its trust policy must name the service account of the servers'
  ],
  [
    'a token that is not mounted',
    { name: 'Error', code: 'ENOENT', message: "ENOENT: no such file or directory, open '/token'" },
    'do: no answer: ENOENT: a file of the credentials is not there: mend AWS_WEB_IDENTITY_TOKEN_FILE, or mount it'
  ],
  ...['KMS.DisabledException', 'kms:KeyNotFound'].map(
    name =>
      [
        `a key that cannot be used (${name})`,
        { name, $metadata: { httpStatusCode: 400 } },
        `do: S3 answered 400 ${name}: the key of KMS cannot be used: mend SPARK_STAGE_S3_KMS_KEY_ID, the key, or the right to use it`
      ] as const
  ),
  [
    'what nobody knows',
    { name: 'InternalError', $metadata: { httpStatusCode: 500 } },
    'do: S3 answered 500 InternalError'
  ]
]

for (const [what, error, message] of failures) {
  t.test(`${what} is told, with how to mend it where that is known`, t => {
    const { failure, message: said } = toStorageError(error, 'do')

    t.equal(said, message)
    t.equal(failure, 'unavailable')
    t.end()
  })
}
