import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createApp } from '../../server/app.ts'
import { loadConfig, loadStorePlace, namedStorePlace, watchedNamespaces } from '../../server/config.ts'
import { openStorage } from '../../server/storage/open-storage.ts'
import { GiB } from '../../shared/units.ts'

const tokens = { SPARK_STAGE_UPLOAD_TOKENS_FILE: '/tokens.json' }
const none = { SPARK_STAGE_UPLOAD_AUTH: 'none' }
const reachable = { SPARK_STAGE_HOST: '0.0.0.0' }
const plain = { SPARK_STAGE_ALLOW_PLAINTEXT: 'true' }
const tls = { SPARK_STAGE_TLS_CERT_FILE: '/tls.crt', SPARK_STAGE_TLS_KEY_FILE: '/tls.key' }
const keys = { SPARK_STAGE_SIGNING_KEYS_DIR: '/keys' }

t.test('with nothing but a tokens file, everything has its documented default', t => {
  const config = loadConfig(tokens)

  t.match(config, {
    ...tokens,
    SPARK_STAGE_HOST: '127.0.0.1',
    SPARK_STAGE_PORT: 10_000,
    SPARK_STAGE_STORE: pathToFileURL(`${process.cwd()}/.spark-stage`).href,
    SPARK_STAGE_INSTANCE: 'spark-stage',
    SPARK_STAGE_KEY_ACTIVATION_SECONDS: 300,
    SPARK_STAGE_UPLOAD_AUTH: 'tokens',
    SPARK_STAGE_KUBERNETES_ACCESS: 'create pods',
    SPARK_STAGE_GRACE_SECONDS: 3600,
    SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS: false,
    SPARK_STAGE_ALLOW_PLAINTEXT: false,
    SPARK_STAGE_MAX_UPLOAD_BYTES: 2 * GiB,
    SPARK_STAGE_LEASE_SECONDS: 604_800,
    SPARK_STAGE_DRAFT_LEASE_SECONDS: 3600,
    SPARK_STAGE_MAX_BUNDLE_AGE_SECONDS: 31_536_000,
    SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: 64,
    SPARK_STAGE_MAX_QUEUED_DOWNLOADS: 2048,
    SPARK_STAGE_IDLE_SECONDS: 60,
    SPARK_STAGE_DRAIN_SECONDS: 25,
    SPARK_STAGE_LOG_LEVEL: 'info'
  })
  t.end()
})

t.test('owners are watched nowhere, in all namespaces, or in those that are named', t => {
  const watched = (namespaces: string) =>
    watchedNamespaces(loadConfig({ ...none, SPARK_STAGE_WATCH_NAMESPACES: namespaces }))

  t.equal(watched(''), undefined)
  t.equal(watched('*'), '*')
  t.same(watched('team-a, team-b,team-a'), ['team-a', 'team-b'])
  t.end()
})

t.test('a configuration cannot change', t => {
  const config = loadConfig(tokens)

  t.equal(Object.isFrozen(config), true)
  t.end()
})

t.test('the environment is that of the process, unless another is given', t => {
  t.intercept(process, 'env', { value: { ...none, SPARK_STAGE_PORT: '1' } })

  t.equal(loadConfig().SPARK_STAGE_PORT, 1)
  t.end()
})

t.test(
  'an empty variable is an unset one, and so is what Kubernetes sets beside a Service named spark-stage',
  t => {
    const config = loadConfig({
      ...tokens,
      SPARK_STAGE_PORT: 'tcp://10.0.0.1:10000',
      SPARK_STAGE_INSTANCE: '',
      SPARK_STAGE_HOST: undefined
    })

    t.equal(config.SPARK_STAGE_PORT, 10_000)
    t.equal(config.SPARK_STAGE_INSTANCE, 'spark-stage')
    t.equal(config.SPARK_STAGE_HOST, '127.0.0.1')
    t.end()
  }
)

const good: readonly (readonly [claim: string, env: Readonly<Record<string, string>>])[] = [
  ['no credentials, on loopback', none],
  ['no credentials, on IPv6 loopback', { ...none, SPARK_STAGE_HOST: '::1' }],
  ['no credentials, on localhost', { ...none, SPARK_STAGE_HOST: 'localhost' }],
  ['a bucket', { ...none, ...keys, SPARK_STAGE_STORE: 's3://bucket' }],
  ['a prefix of a bucket', { ...none, ...keys, SPARK_STAGE_STORE: 's3://my-bucket/stage/one/' }],
  ['credentials over TLS', { ...tokens, ...reachable, ...tls, ...keys }],
  [
    'proxies by address and by range',
    { ...tokens, SPARK_STAGE_TRUSTED_PROXIES: '10.0.0.7, fd00::/8,0.0.0.0/0' }
  ],
  ['credentials over plain http, allowed on purpose', { ...tokens, ...reachable, ...plain, ...keys }],
  [
    'no credentials for everyone, allowed on purpose',
    { ...none, ...reachable, ...plain, ...keys, SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS: 'true' }
  ]
]

for (const [claim, env] of good) {
  t.test(`${claim} will do`, t => {
    t.match(loadConfig(env), { SPARK_STAGE_UPLOAD_AUTH: env['SPARK_STAGE_UPLOAD_AUTH'] ?? 'tokens' })
    t.end()
  })
}

const bad: readonly (readonly [
  claim: string,
  env: Readonly<Record<string, string>>,
  says: readonly (string | RegExp)[]
])[] = [
  [
    'no tokens file',
    {},
    ['SPARK_STAGE_UPLOAD_AUTH=tokens needs SPARK_STAGE_UPLOAD_TOKENS_FILE (or, on loopback, set it to none)']
  ],
  ['a port that is none', { ...none, SPARK_STAGE_PORT: '65536' }, [/SPARK_STAGE_PORT/]],
  ['a port that is no number', { ...none, SPARK_STAGE_PORT: 'http' }, [/SPARK_STAGE_PORT/]],
  [
    'a store of another kind',
    { ...none, SPARK_STAGE_STORE: 'gs://bucket' },
    [/SPARK_STAGE_STORE: expected file:\/\/\/path, or s3:\/\/bucket\/prefix .*, found "gs:\/\/bucket"/]
  ],
  ['a bucket that cannot be', { ...none, SPARK_STAGE_STORE: 's3://Bucket' }, [/SPARK_STAGE_STORE/]],
  [
    'a prefix that leads elsewhere',
    { ...none, SPARK_STAGE_STORE: 's3://bucket/../x' },
    [/SPARK_STAGE_STORE/]
  ],
  [
    'a bucket without keys that its servers share',
    { ...none, SPARK_STAGE_STORE: 's3://bucket' },
    [/SPARK_STAGE_STORE is in S3, where every server needs the same keys: set SPARK_STAGE_SIGNING_KEYS_DIR/]
  ],
  [
    'an endpoint that is no URL',
    { ...none, SPARK_STAGE_S3_ENDPOINT: 'minio:9000' },
    [/^SPARK_STAGE_S3_ENDPOINT: expected http\(s\):\/\/host:port and nothing else$/]
  ],
  ...['http://key:secret@minio:9000', 'http://minio:9000/?x=y', 'http://minio:9000/bucket', 'http://'].map(
    endpoint =>
      [
        `an endpoint such as ${endpoint}`,
        { ...none, SPARK_STAGE_S3_ENDPOINT: endpoint },
        [/^SPARK_STAGE_S3_ENDPOINT: expected http\(s\):\/\/host:port and nothing else$/]
      ] as const
  ),
  [
    'a key of KMS without its encryption',
    { ...none, SPARK_STAGE_S3_KMS_KEY_ID: 'key-1', SPARK_STAGE_S3_ENCRYPTION: 'AES256' },
    [/^SPARK_STAGE_S3_KMS_KEY_ID needs SPARK_STAGE_S3_ENCRYPTION=aws:kms$/]
  ],
  ['a store that is a path', { ...none, SPARK_STAGE_STORE: '/var/lib/stage' }, [/SPARK_STAGE_STORE/]],
  ['another identity', { SPARK_STAGE_UPLOAD_AUTH: 'basic' }, [/SPARK_STAGE_UPLOAD_AUTH/]],
  ['a limit of nothing', { ...none, SPARK_STAGE_MAX_UPLOAD_BYTES: '0' }, [/SPARK_STAGE_MAX_UPLOAD_BYTES/]],
  ['a size with a unit', { ...none, SPARK_STAGE_MAX_UPLOAD_BYTES: '2GB' }, [/SPARK_STAGE_MAX_UPLOAD_BYTES/]],
  ['a lease of no time', { ...none, SPARK_STAGE_LEASE_SECONDS: '0' }, [/SPARK_STAGE_LEASE_SECONDS/]],
  ['a lease without end', { ...none, SPARK_STAGE_LEASE_SECONDS: '1e12' }, [/SPARK_STAGE_LEASE_SECONDS/]],
  ['an instance with a blank', { ...none, SPARK_STAGE_INSTANCE: 'my stage' }, [/SPARK_STAGE_INSTANCE/]],
  [
    'a flag that is neither',
    { ...none, SPARK_STAGE_ALLOW_PLAINTEXT: 'yes' },
    [/SPARK_STAGE_ALLOW_PLAINTEXT/]
  ],
  ['an unknown log level', { ...none, SPARK_STAGE_LOG_LEVEL: 'loud' }, [/SPARK_STAGE_LOG_LEVEL/]],
  ...['SPARK_STAGE_TLS_CERT_FILE', 'SPARK_STAGE_TLS_KEY_FILE'].map(
    name =>
      [
        `${name} alone`,
        { ...tokens, [name]: '/file' },
        ['SPARK_STAGE_TLS_CERT_FILE and SPARK_STAGE_TLS_KEY_FILE need each other']
      ] as const
  ),
  ...['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '10.0.0.1,', '*', '1.2.3'].map(
    proxies =>
      [
        `trust in "${proxies}"`,
        { ...tokens, SPARK_STAGE_TRUSTED_PROXIES: proxies },
        [/^SPARK_STAGE_TRUSTED_PROXIES: expected addresses or ranges such as 10\.0\.0\.0\/8, found "/]
      ] as const
  ),
  ['no downloads at all', { ...none, SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: '0' }, [/MAX_ACTIVE_DOWNLOADS/]],
  ['a patience of nothing', { ...none, SPARK_STAGE_IDLE_SECONDS: '0' }, [/SPARK_STAGE_IDLE_SECONDS/]],
  [
    'a patience beyond all timers',
    { ...none, SPARK_STAGE_IDLE_SECONDS: '86401' },
    [/SPARK_STAGE_IDLE_SECONDS/]
  ],
  [
    'an access rule without a resource',
    { ...none, SPARK_STAGE_KUBERNETES_ACCESS: 'create' },
    [/SPARK_STAGE_KUBERNETES_ACCESS: expected "verb resource"/]
  ],
  [
    'a watched namespace that is none',
    { ...none, SPARK_STAGE_WATCH_NAMESPACES: 'team-a,Team B' },
    [/SPARK_STAGE_WATCH_NAMESPACES: .*namespace/]
  ],
  [
    'several at once',
    { ...none, SPARK_STAGE_PORT: 'x', SPARK_STAGE_LEASE_SECONDS: 'y' },
    [/SPARK_STAGE_PORT/, /SPARK_STAGE_LEASE_SECONDS/]
  ],
  [
    'no credentials, for everyone',
    { ...none, ...reachable, ...plain, ...keys },
    [
      'SPARK_STAGE_HOST=0.0.0.0 is not loopback: SPARK_STAGE_UPLOAD_AUTH=none would let everyone upload code; use tokens, or set SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS=true'
    ]
  ],
  [
    'credentials in plain text',
    { ...tokens, ...reachable, ...keys },
    [
      'SPARK_STAGE_HOST=0.0.0.0 is not loopback: credentials would cross the network in plain text; set SPARK_STAGE_TLS_CERT_FILE and SPARK_STAGE_TLS_KEY_FILE, or put TLS in front and set SPARK_STAGE_ALLOW_PLAINTEXT=true'
    ]
  ],
  [
    'no keys, for everyone',
    { ...tokens, ...reachable, ...plain },
    [
      'SPARK_STAGE_HOST=0.0.0.0 is not loopback: set SPARK_STAGE_SIGNING_KEYS_DIR to a directory with a signing key'
    ]
  ],
  [
    'a host name that only looks like loopback',
    { ...none, SPARK_STAGE_HOST: '127.0.0.1.nip.io' },
    [/is not loopback/]
  ]
]

for (const [claim, env, says] of bad) {
  t.test(`${claim} will not do`, t => {
    for (const message of says) t.throws(() => loadConfig(env), { message })
    t.throws(() => loadConfig(env), { message: /^[^\n]+$/ }, 'in one line')
    t.end()
  })
}

t.test(
  'should a configuration ask for tokens without a file after all, the server does not start',
  async t => {
    const { SPARK_STAGE_UPLOAD_TOKENS_FILE: _file, ...config } = loadConfig(tokens)
    const home = t.testdir({ keys: { key: 'x'.repeat(32) }, store: {} })
    const store = await openStorage(pathToFileURL(`${home}/store`).href)
    t.teardown(() => store.close())

    await t.rejects(
      createApp(config, { store, keysDirectory: `${home}/keys`, logStream: { write: () => {} } }),
      { code: 'ENOENT' }
    )
  }
)

t.test('the store and how to reach it, for a command', t => {
  const place = loadStorePlace({
    SPARK_STAGE_STORE: 's3://bucket/prefix',
    SPARK_STAGE_S3_ENDPOINT: 'https://minio:9000',
    SPARK_STAGE_S3_REGION: 'eu-west-1',
    SPARK_STAGE_S3_FORCE_PATH_STYLE: 'true',
    SPARK_STAGE_S3_ENCRYPTION: 'aws:kms',
    SPARK_STAGE_S3_KMS_KEY_ID: 'key-1'
  })

  t.strictSame(place, {
    url: 's3://bucket/prefix',
    s3: {
      endpoint: 'https://minio:9000',
      region: 'eu-west-1',
      isPathStyle: true,
      encryption: 'aws:kms',
      kmsKeyId: 'key-1'
    }
  })
  t.end()
})

t.test('a store that a flag names is reached as the variables say', t => {
  const env = { SPARK_STAGE_STORE: 'file:///other', SPARK_STAGE_S3_REGION: 'eu-west-1' }

  t.match(namedStorePlace('--to', 's3://bucket/prefix/', env), {
    url: 's3://bucket/prefix',
    s3: { region: 'eu-west-1' }
  })
  t.throws(() => namedStorePlace('--to', 'ftp://x', env), {
    message: /^--to: expected file:\/\/\/path, or s3:/
  })
  t.end()
})

t.test('downloads are redirected only to a store that others reach', t => {
  const redirect = { ...none, SPARK_STAGE_S3_REDIRECT: 'true' }

  t.equal(
    loadConfig({ ...redirect, ...keys, SPARK_STAGE_STORE: 's3://bucket' }).SPARK_STAGE_S3_REDIRECT,
    true
  )
  t.equal(loadConfig(none).SPARK_STAGE_S3_REDIRECT, false)
  t.throws(() => loadConfig(redirect), {
    message: 'SPARK_STAGE_S3_REDIRECT=true needs a SPARK_STAGE_STORE in S3: nobody else reaches a folder'
  })
  t.end()
})
