import { glob } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { hourMs, MiB, minuteMs, secondMs } from '../../shared/units.ts'
import { download, stage } from '../helpers/call.ts'
import { startMinio } from './helpers/minio.ts'
import { startReplicas } from './helpers/replicas.ts'

/** Shorter than what the clock is wrong by: by that clock, everything has ended when it is staged. */
const leaseMs = 30 * minuteMs

t.test('a server whose clock is an hour ahead removes nothing, and gives no wrong time', async t => {
  const [library] = await Array.fromAsync(glob('/usr/lib/*/faketime/libfaketime.so.1'))
  if (library === undefined) throw new Error('libfaketime is not installed')
  const ahead = { LD_PRELOAD: library, FAKETIME: '+1h', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  const replicas = await startReplicas(t, await startMinio(t), {
    env: { SPARK_STAGE_LEASE_SECONDS: `${leaseMs / secondMs}`, SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '1' },
    envOf: index => (index === 2 ? ahead : {})
  })
  const [right, , wrong] = replicas.servers
  if (right === undefined || wrong === undefined) throw new Error('expected three')
  const { time } = JSON.parse(await wrong.line('server listening'))
  t.ok(new Date(time).getTime() > Date.now() + 50 * minuteMs, 'its clock is wrong')

  const staged = await Promise.all(
    [right, wrong].map(server => stage(server, [['files', 'f', 'x'.repeat(MiB)]]))
  )
  // Alone, it has a second for each of a few sweeps.
  await replicas.kill(0)
  await replicas.kill(1)
  await setTimeout(5 * secondMs)
  const { asideMs } = JSON.parse(await wrong.line("clock is not the store's"))
  await replicas.restart(0)

  t.ok(Math.abs(asideMs - hourMs) < minuteMs, 'it knows why it sweeps nothing')
  for (const { json } of staged) {
    const expiresMs = Date.parse(json.expiresAt)
    t.ok(Math.abs(expiresMs - leaseMs - Date.now()) < minuteMs, 'the lease is by the right time')
    for (const server of [replicas.servers[0] ?? right, wrong]) {
      const answer = await download(server, json.bundleId, json.token, '/entries/files/f')
      t.equal(answer.status, 200)
      t.equal(answer.bytes.length, MiB)
    }
  }
})
