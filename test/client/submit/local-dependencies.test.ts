import assert from 'node:assert/strict'
import t from 'tap'
import { findLocalDependencies } from '../../../client/submit/local-dependencies.ts'
import { type Disk, fakeDisk } from './fake-disk.ts'
import { readSubmission } from './read-submission.ts'

const disk: Disk = {
  '/home/me/app.py': 'file',
  '/home/me/job.jar': 'file',
  '/home/me/a.jar': 'file',
  '/home/me/b.jar': 'file',
  '/home/me/dir': 'directory',
  '/home/me/pipe': 'other',
  '/home/me/x/sub.d': 'directory',
  '/home/me/a:b.txt': 'file',
  '/home/me/q[1].txt': 'file',
  '/home/me/v/what?.txt': 'file',
  '/home/me/link.txt': { linkTo: '/data/v2.txt' }
}

/** The problems of a command line, one a line: what it says, and why it cannot be carried. */
async function problemsOf(words: readonly string[], text = ''): Promise<readonly string[]> {
  const { dependencies } = await readSubmission(words, {
    disk,
    texts: { '/spark/conf/spark-defaults.conf': text }
  })
  return dependencies.problems.map(({ what, reason }) => `${what}: ${reason}`)
}

t.test('what Spark could not carry is named with its option and its reason', async t => {
  const missing = 'there is no such file'
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['--jars', 'none.jar'], `--jars "none.jar": ${missing}`],
    [['--jars', 'a.jar,dir'], '--jars "dir": this is a directory; pack it and pass the archive'],
    [['--archives', 'dir#d'], '--archives "dir#d": this is a directory; pack it and pass the archive'],
    [['--files', 'pipe'], '--files "pipe": this is not a regular file'],
    [['--files', 'file:a.jar'], '--files "file:a.jar": a path after file: begins with /'],
    [['--files', 'file://h/a'], '--files "file://h/a": a file: URI has no host; write file:///path'],
    [['--files', 'a.jar#'], '--files "a.jar#": there is nothing after #'],
    [['--files', 'a.jar#x%20y'], '--files "a.jar#x%20y": Spark cannot carry x y as the name after #'],
    [
      ['--files', './a:b.txt'],
      '--files "./a:b.txt": Spark cannot carry a file with : in its name, not even percent-encoded'
    ],
    [
      ['--files', 'q[1].txt'],
      '--files "q[1].txt": Spark cannot carry a file with [ in its name, not even percent-encoded'
    ],
    [
      ['--files', 'v/*.txt'],
      '--files "v/*.txt": Spark cannot carry a file with ? in its name, not even percent-encoded'
    ],
    [['--jars', 'none/*.jar'], '--jars "none/*.jar": the pattern matches no file'],
    [['--jars', 'x/*'], '--jars "x/*": the pattern matches no file'],
    [
      ['--files', '*.jar#x'],
      '--files "*.jar#x": the name after # is for one file, but the pattern matches 3'
    ],
    [['--jars', '{a,none.jar'], '--jars "{a": the pattern matches no file'],
    [
      ['--jars', 'a.jar, b.jar'],
      `--jars " b.jar": ${missing}: Spark takes the blanks beside a comma as part of a name`
    ],
    [
      ['--jars', 'a.jar,~/b.jar'],
      `--jars "~/b.jar": ${missing}: the shell replaces ~ only where a word begins`
    ],
    [
      ['--files', 'a b.txt#c'],
      `--files "a b.txt#c": ${missing}: Spark takes # as part of the name here; write file:///path with %20 for a space`
    ],
    [['--conf', 'spark.files= none'], `--conf spark.files "none": ${missing}`]
  ]
  for (const [words, problem] of cases) {
    t.equal((await problemsOf([...words, 'local:///app.py']))[0], problem)
  }
})

t.test('a problem in a properties file names the file and the property', async t => {
  const text = 'spark.submit.pyFiles none.zip'

  t.strictSame(await problemsOf(['local:///app.py'], text), [
    'spark.submit.pyFiles in /spark/conf/spark-defaults.conf "none.zip": there is no such file'
  ])
})

t.test('all problems are found at once, and the primary resource is no pattern', async t => {
  t.strictSame(await problemsOf(['--jars', 'x.jar,y.jar', '--files', 'dir', '*.py']), [
    'the application "*.py": there is no such file',
    '--jars "x.jar": there is no such file',
    '--jars "y.jar": there is no such file',
    '--files "dir": this is a directory; pack it and pass the archive'
  ])
})

t.test(
  'a jar without --class needs a Main-Class, because spark-submit cannot open what is staged',
  async t => {
    const reason = 'the manifest of this jar has no Main-Class; name the class with --class'

    t.strictSame(await problemsOf(['job.jar']), [`the application "job.jar": ${reason}`])
    for (const words of [['--class', 'a.B', 'job.jar'], ['app.py'], ['s3a://b/job.jar']]) {
      t.strictSame(await problemsOf(words), [], words.join(' '))
    }
  }
)

t.test(
  'Spark follows links of plain paths, so that the name is what they lead to, but not of URIs',
  async t => {
    const files = 'link.txt,file:/home/me/link.txt,link.txt#l'

    const { dependencies } = await readSubmission(['--files', files, 'local:///app.py'], { disk })

    t.strictSame([...dependencies.files.values()].flat(), [
      { kind: 'files', path: '/home/me/link.txt', name: 'v2.txt' },
      { kind: 'files', path: '/home/me/link.txt', name: 'link.txt' },
      { kind: 'files', path: '/home/me/link.txt', name: 'link.txt', alias: 'l' }
    ])
  }
)

t.test('nothing on disk is looked at for entries that are remote or blank', async t => {
  const submission = await readSubmission(['--jars', 's3a://b/*.jar,, ,local:///x.jar', 'https://h/app.py'])
  const fail = async () => assert.fail('the disk was asked')
  const untouched = { ...fakeDisk({}), look: fail, expand: fail }

  const dependencies = await findLocalDependencies(submission.submit, submission.lists, untouched)

  t.strictSame(dependencies, { files: new Map(), problems: [] })
})

t.test('what is no submission has no lists', async t => {
  for (const words of [
    ['--help', '--jars', 'a.jar'],
    ['run-example', '--jars', 'a.jar'],
    ['--jars', 'a.jar']
  ]) {
    t.strictSame((await readSubmission(words, { disk })).lists, [], words.join(' '))
  }
})
