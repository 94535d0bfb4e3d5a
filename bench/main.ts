import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../test/cluster/paths.ts'
import { startMinioIn } from '../test/integration/helpers/minio.ts'
import { startNginx } from '../test/integration/helpers/nginx.ts'
import { startStage } from '../test/integration/helpers/programs.ts'
import type { Scope } from '../test/integration/helpers/start-process.ts'
import type { Work } from './contest.ts'
import { prepareWorks, settle } from './works.ts'

/** Rounds of the whole table; the medians are shown. */
const roundCount = Number(process.argv[2] ?? 5)

const teardowns: (() => unknown)[] = []
const scope: Scope = { teardown: run => void teardowns.push(run) }
// Not in the temporary folder, which may be in memory.
await mkdir(cacheFolder, { recursive: true })
const home = await mkdtemp(join(cacheFolder, 'bench-'))
try {
  const root = join(home, 'nginx', 'root')
  await mkdir(root, { recursive: true })
  const location = `root ${root}; dav_methods PUT;`
  const minio = await startMinioIn(scope, join(home, 'minio'))
  const env = { SPARK_STAGE_UPLOAD_AUTH: 'none' }
  const bucketEnv = { ...env, ...minio.env, SPARK_STAGE_STORE: `s3://${await minio.makeBucket()}/stage` }
  const works = await prepareWorks(scope, home, {
    stage: await startStage(scope, { home, env }),
    overBucket: await startStage(scope, { home, env: bucketEnv }),
    nginx: { root, url: await startNginx(scope, join(home, 'nginx'), { location }) },
    minio: { client: minio.client, pid: minio.pid, bucket: await minio.makeBucket() }
  })
  const seconds = new Map(works.map(work => [work, { ours: [] as number[], peer: [] as number[] }]))
  for (let round = 1; round <= roundCount; round += 1) {
    // Whoever writes first after the downloads pays for the page cache they filled: each work's turn to be that one.
    const turn = (round - 1) % works.length
    for (const work of [...works.slice(turn), ...works.slice(0, turn)]) {
      const times = seconds.get(work) ?? { ours: [], peer: [] }
      // Who comes first changes from round to round.
      const sides = round % 2 === 1 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const)
      for (const side of sides) {
        await settle()
        times[side].push(await work[side]())
      }
    }
    process.stderr.write(`round ${round} of ${roundCount} done\n`)
  }
  process.stdout.write(`\n${row('MB/s, medians', 'ours', 'peer', 'ratio', 'goal')}`)
  for (const [work, { ours, peer }] of seconds) process.stdout.write(describe(work, ours, peer))
} finally {
  for (const run of teardowns.reverse()) await run()
  await rm(home, { recursive: true })
}

function describe({ name, sizeBytes, goal }: Work, ours: readonly number[], peer: readonly number[]): string {
  const [ourRate = 0, peerRate = 0] = [ours, peer].map(times => sizeBytes / median(times) / 1e6)
  const ratio = ourRate / peerRate
  const verdict = goal === undefined || ratio >= goal ? '' : 'below'
  return row(name, ourRate.toFixed(0), peerRate.toFixed(0), ratio.toFixed(2), `${goal ?? '-'}`, verdict)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = 0, high = 0] = [sorted[(sorted.length - 1) >> 1], sorted[middle]]
  return (low + high) / 2
}

function row(name: string, ...cells: readonly string[]): string {
  return `${name.padEnd(44)}${cells.map(cell => cell.padStart(8)).join('')}\n`
}
