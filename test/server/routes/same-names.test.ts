import t, { type Test } from 'tap'
import { bundlesPath } from '../../../shared/paths.ts'
import { type Answer, type Part, stage, upload } from '../../helpers/call.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import { sha256, startServer } from '../../helpers/start-server.ts'

const server = await startServer(t)

/** The same files once as a one-shot upload and once as a draft. */
const forms = {
  'one-shot': (parts: readonly Part[]) => stage(server, parts),
  draft: (parts: readonly Part[]) =>
    upload(server, 'POST', bundlesPath('team-a'), { entries: parts.map(announce) })
} as const

function announce([kind, filename, content]: Part) {
  const [name, alias] = filename.split('#')
  const entry = { kind, name, sizeBytes: content.length, sha256: sha256(content) }
  return alias === undefined ? entry : { ...entry, alias }
}

const short = (content: string) => sha256(content).slice(0, 8)

const refused: readonly (readonly [claim: string, parts: readonly Part[], place: string])[] = [
  [
    'two files of one name',
    [
      ['files', 'a', '1'],
      ['files', 'a', '2']
    ],
    'files/a'
  ],
  [
    'two Python files of one name',
    [
      ['pyFiles', 'a.py', '1'],
      ['pyFiles', 'a.py', '2']
    ],
    'pyFiles/a.py'
  ],
  [
    'two apps of one name',
    [
      ['app', 'a.py', '1'],
      ['app', 'a.py', '2']
    ],
    'app/a.py'
  ],
  [
    'two archives of one alias',
    [
      ['archives', 'a.tgz#env', '1'],
      ['archives', 'b.tgz#env', '2']
    ],
    'archives/env'
  ],
  [
    'an alias like the name of another file',
    [
      ['files', 'a', '1'],
      ['files', 'b#a', '2']
    ],
    'files/a'
  ],
  [
    'a file that has to step aside, to where another is,',
    [
      ['files', 'a.txt', '1'],
      ['files', `a-${short('2')}.txt`, '3'],
      ['files', 'a.txt#b', '2']
    ],
    `files/a-${short('2')}.txt`
  ]
]

for (const [claim, parts, place] of refused) {
  for (const [form, send] of Object.entries(forms)) {
    t.test(`${claim} in a ${form} upload are refused, and nothing is stored`, async t => {
      await leavesNothing(t, server, async () => {
        const answer = await send(parts)

        isRefusal(t, answer, {
          status: 400,
          code: 'STAGE_ERR_SAME_NAME',
          expected: /^one file with the SHA-256 [0-9a-f]{64}$/,
          found: /^another with [0-9a-f]{64}$/
        })
        t.match(answer.error.message, JSON.stringify(place))
      })
    })
  }
}

t.test('a jar that has no room for the digest in its name is refused, and nothing is stored', async t => {
  const name = `${'x'.repeat(250)}.jar`

  await leavesNothing(t, server, async () => {
    const answer = await stage(server, [
      ['jars', name, '1'],
      ['jars', name, '2']
    ])

    isRefusal(t, answer, {
      status: 400,
      code: 'STAGE_ERR_BAD_NAME',
      expected: /^1 to 255/,
      found: '263 bytes'
    })
  })
})

const accepted: readonly (readonly [claim: string, parts: readonly Part[], paths: readonly string[]])[] = [
  [
    'equal bytes under one name are one entry',
    [
      ['files', 'a', '1'],
      ['files', 'a', '1']
    ],
    ['files/a']
  ],
  [
    'equal bytes under two aliases are two entries over one file',
    [
      ['archives', 'e.tgz#x', '1'],
      ['archives', 'e.tgz#y', '1']
    ],
    ['archives/e.tgz', 'archives/e.tgz']
  ],
  [
    'one name in two kinds is no clash',
    [
      ['files', 'a', '1'],
      ['pyFiles', 'a', '2']
    ],
    ['files/a', 'pyFiles/a']
  ],
  [
    'a later jar of the same name steps aside',
    [
      ['jars', 'a.jar', '1'],
      ['jars', 'a.jar', '2'],
      ['jars', 'a.jar', '1']
    ],
    ['jars/a.jar', `jars/a-${short('2')}.jar`]
  ],
  [
    'a jar without a suffix can step aside',
    [
      ['jars', 'a', '1'],
      ['jars', 'a', '2']
    ],
    ['jars/a', `jars/a-${short('2')}`]
  ],
  [
    'a jar whose name is only a suffix can step aside',
    [
      ['jars', '.jar', '1'],
      ['jars', '.jar', '2']
    ],
    ['jars/.jar', `jars/.jar-${short('2')}`]
  ],
  [
    'a file with an alias steps aside for one without, which came later',
    [
      ['archives', 'e.tar.gz#x', '1'],
      ['archives', 'e.tar.gz', '2']
    ],
    [`archives/e-${short('1')}.tar.gz`, 'archives/e.tar.gz']
  ]
]

for (const [claim, parts, paths] of accepted) {
  t.test(claim, async t => {
    const answer = await forms['one-shot'](parts)
    const drafted = await forms.draft(parts)

    t.strictSame(
      answer.json.entries.map(({ path }: { path: string }) => path),
      paths
    )
    await isSame(t, drafted, answer)
  })
}

/** The draft, whose bytes the namespace has by now, is committed as the very same entries. */
async function isSame(t: Test, drafted: Answer, staged: Answer): Promise<void> {
  const path = `${bundlesPath('team-a')}/${drafted.json.bundleId}`
  t.strictSame(drafted.json.missing, [])
  const { json } = await upload(server, 'POST', `${path}/commit`)
  const manifest = await fetch(`${server.url}/api/v1/bundles/team-a/${drafted.json.bundleId}`, {
    headers: { authorization: `Bearer ${json.token}` }
  })
  t.match(await manifest.json(), { entries: staged.json.entries })
}
