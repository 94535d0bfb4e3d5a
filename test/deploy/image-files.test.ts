import { readFile } from 'node:fs/promises'
import t from 'tap'
import { programs } from '../../build/programs.ts'
import { configSchema } from '../../server/config.ts'
import { version } from '../../shared/version.ts'
import { type ImageFile, readImageFile } from './image-file.ts'

for (const program of ['server', 'init'] as const) {
  const name = `Dockerfile.${program}`

  t.test(`${name} says how its image is used, and runs as a user who is not root`, async t => {
    const file = await readImageFile(name)

    t.match(file.introduction, /^How to use this image/m)
    t.match(file.only('USER'), /^[1-9]\d*:\d+$/, 'a number, which Kubernetes can see is not 0')
    t.equal(file.only('STOPSIGNAL'), 'SIGTERM')
    t.ok(Array.isArray(JSON.parse(file.only('ENTRYPOINT'))), 'no shell between the program and its signals')
  })

  t.test(`${name} takes its base as an argument, and its labels name this version`, async t => {
    const file = await readImageFile(name)
    const labels = file.pairs('LABEL')

    t.match(file.instructions[0], { name: 'ARG', args: /^BASE=\S+:\S+$/ })
    t.equal(file.only('FROM'), `\${BASE}`)
    t.ok(file.instructions.some(({ name, args }) => name === 'ARG' && args === `VERSION=${version}`))
    t.match(labels, {
      'org.opencontainers.image.title': `spark-stage-${program}`,
      'org.opencontainers.image.version': `\${VERSION}`,
      'org.opencontainers.image.revision': `\${REVISION}`,
      'org.opencontainers.image.licenses': 'Apache-2.0'
    })
    t.ok(`spark-stage-${program}` in programs)
  })

  t.test(`${name} copies only what .dockerignore lets through, and starts what it copied`, async t => {
    const file = await readImageFile(name)
    const copies = copiesOf(file)
    const seen = await letThrough()

    t.ok(copies.length >= 2, 'the program and its licenses')
    for (const { sources } of copies) {
      for (const source of sources) t.ok(seen(source), source)
    }
    const started: string = JSON.parse(file.only('ENTRYPOINT')).at(-1)
    const targets = copies.flatMap(({ sources, target }) =>
      sources.map(source => (target.endsWith('/') ? target + source.split('/').at(-1) : target))
    )
    t.ok(targets.includes(started), started)
  })
}

t.test(
  'the init image is built without running anything in it, for the architecture that is asked for',
  async t => {
    const file = await readImageFile('Dockerfile.init')

    t.notOk(file.instructions.some(({ name }) => name === 'RUN'))
    for (const { sources } of copiesOf(file)) {
      for (const source of sources) t.match(source, `dist/executable/\${TARGETARCH}/`)
    }
  }
)

t.test('the server image sets nothing but variables of the server', async t => {
  const names = Object.keys((await readImageFile('Dockerfile.server')).pairs('ENV'))

  t.same(
    names.filter(name => !(name in configSchema.properties)),
    []
  )
  t.ok(names.includes('SPARK_STAGE_HOST'))
})

interface Copy {
  readonly sources: readonly string[]
  readonly target: string
}

function copiesOf({ instructions }: ImageFile): readonly Copy[] {
  return instructions
    .filter(({ name }) => name === 'COPY')
    .map(({ args }) => {
      const paths = args.split(' ').filter(word => !word.startsWith('--'))
      return { sources: paths.slice(0, -1), target: paths.at(-1) ?? '' }
    })
}

/** Whether a path is part of the context of a build: the file ignores all, and then lists what it does not. */
async function letThrough(): Promise<(path: string) => boolean> {
  const text = await readFile(new URL('../../.dockerignore', import.meta.url), 'utf8')
  const [first, ...rest] = text.trim().split('\n')
  if (first !== '*') throw new Error('expected .dockerignore to begin with *')
  const kept = rest.map(line => line.slice(1))
  return path => kept.some(name => path === name || path.startsWith(`${name}/`))
}
