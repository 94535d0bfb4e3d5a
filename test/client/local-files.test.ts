import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Selection, selectFiles } from '../../client/local-files.ts'

/** Selects in a new folder that holds `tree`; paths come back relative to it. */
async function select(
  t: Test,
  tree: Parameters<Test['testdir']>[0],
  ...selections: readonly [Selection['kind'], string][]
) {
  const root = t.testdir(tree)
  const absolute = selections.map(([kind, text]) => ({ kind, flag: `--${kind}`, text: join(root, text) }))
  const files = await selectFiles(absolute)
  return files.map(file => ({ ...file, filePath: file.filePath.slice(root.length + 1) }))
}

t.test('files keep the order of the command line and what a pattern matches is sorted', async t => {
  const tree = { libs: { 'b.jar': 'bb', 'a.jar': 'a', 'c.txt': '' }, 'z.jar': 'zzz', 'x.py': 'x' }

  const files = await select(t, tree, ['jars', 'z.jar'], ['app', 'x.py'], ['jars', 'libs/*.jar'])

  t.strictSame(files, [
    { kind: 'jars', name: 'z.jar', filePath: 'z.jar', sizeBytes: 3, executable: false },
    { kind: 'app', name: 'x.py', filePath: 'x.py', sizeBytes: 1, executable: false },
    { kind: 'jars', name: 'a.jar', filePath: 'libs/a.jar', sizeBytes: 1, executable: false },
    { kind: 'jars', name: 'b.jar', filePath: 'libs/b.jar', sizeBytes: 2, executable: false }
  ])
})

t.test('a path that exists is no pattern, whatever characters it holds', async t => {
  const files = await select(t, { 'x[1].txt': 'literal', 'x1.txt': '' }, ['files', 'x[1].txt'])

  t.match(files, [{ name: 'x[1].txt', sizeBytes: 7 }])
  t.equal(files.length, 1)
})

t.test('files and archives take an alias after the last #', async t => {
  const tree = { 'a#b.txt': '', 'env.tgz': '', 'c.json': '' }

  const files = await select(
    t,
    tree,
    ['files', 'a#b.txt#x'],
    ['archives', 'env.tgz#env'],
    ['files', '*.json#conf']
  )

  t.match(files, [
    { name: 'a#b.txt', alias: 'x' },
    { name: 'env.tgz', alias: 'env' },
    { name: 'c.json', alias: 'conf' }
  ])
})

t.test('a jar has no alias: # is part of its name', async t => {
  const files = await select(t, { 'a#b.jar': '' }, ['jars', 'a#b.jar'])

  t.strictSame(
    files.map(({ name, alias }) => ({ name, alias })),
    [{ name: 'a#b.jar', alias: undefined }]
  )
})

t.test('the executable bit counts for files and the application only', async t => {
  const root = t.testdir({ tool: '' })
  await chmod(join(root, 'tool'), 0o755)
  const text = join(root, 'tool')

  const files = await selectFiles(
    (['app', 'files', 'jars'] as const).map(kind => ({ kind, flag: '-', text }))
  )

  t.strictSame(
    files.map(({ executable }) => executable),
    [true, true, false]
  )
})

t.test('what cannot be staged is refused with the flag, before anything is sent', async t => {
  const tree = { dir: { sub: { 'a.txt': '' } }, 'a.txt': '', 'b.txt': '', 'bad\nname': '' }
  const cases: readonly (readonly [Selection['kind'], string, RegExp])[] = [
    ['jars', 'missing.jar', /--jars ".*missing\.jar": there is no such file/],
    ['jars', 'a.txt/x', /there is no such file/],
    ['jars', 'no*.jar', /--jars ".*no\*\.jar": the pattern matches no file/],
    ['files', 'dir', /dir" is a directory; pack it and stage it with --archive FILE#NAME/],
    ['files', 'dir/*', /dir\/sub" is a directory/],
    ['files', '*.txt#x', /an alias names one file, but the pattern matches 2/],
    ['files', 'a.txt#', /alias[\s\S]*found: an empty name/],
    ['files', 'a.txt#x\\y', /alias[\s\S]*found: a path separator[\s\S]*what to do: Use a plain name after #/],
    ['files', 'bad\nname', /not a plain file name[\s\S]*found: a control character/],
    ['files', `${'x'.repeat(300)}`, /cannot be read \(ENAMETOOLONG\)/]
  ]
  for (const [kind, text, message] of cases) {
    await t.rejects(select(t, tree, [kind, text]), { exitCause: 'usage', message }, text)
  }
})

t.test('only regular files can be staged', async t => {
  const selection = { kind: 'files', flag: '--file', text: '/dev/null' } as const

  await t.rejects(selectFiles([selection]), { exitCause: 'usage', message: /not a regular file/ })
})
