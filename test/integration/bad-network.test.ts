import { join } from 'node:path'
import t from 'tap'
import { sha256sums } from './helpers/files.ts'
import { startFront } from './helpers/front.ts'
import { fetchInto } from './helpers/programs.ts'
import { fileBytes, laidOutFile, stageFile } from './helpers/staged-file.ts'
import { startProxy } from './helpers/tcp-proxy.ts'

t.test('a fetch of 200 MB that is cut 5 times finishes and moves at most 1.2 times the bytes', async t => {
  const { stage, staged, digests, home } = await stageFile(t)
  let cutCount = 0
  const proxy = await startProxy(t, stage.url, {
    onDown: link => {
      if (cutCount === 5 || link.movedBytes < (cutCount + 1) * 0.15 * fileBytes) return
      cutCount += 1
      link.cut()
    }
  })
  const into = join(home, 'into')

  await fetchInto(t, { url: proxy.url, staged, into })

  t.comment(`${(proxy.downBytes / fileBytes).toFixed(3)} times the bytes moved`)
  t.equal(cutCount, 5)
  t.ok(proxy.downBytes >= fileBytes && proxy.downBytes <= 1.2 * fileBytes)
  t.same(await sha256sums([laidOutFile(into)]), digests)
})

t.test('a 503 with Retry-After: 2 is honoured three times', async t => {
  const { stage, staged, digests, home } = await stageFile(t)
  const askedMs: number[] = []
  const url = await startFront(t, stage.url, (incoming, outgoing) => {
    if (incoming.url?.includes('/entries/') !== true) return false
    askedMs.push(performance.now())
    if (askedMs.length > 3) return false
    outgoing.writeHead(503, { 'retry-after': '2' }).end()
    return true
  })
  const into = join(home, 'into')

  await fetchInto(t, { url, staged, into })

  const waitsMs = askedMs.slice(1).map((atMs, index) => atMs - (askedMs[index] ?? 0))
  t.comment(`waited ${waitsMs.map(waitMs => Math.round(waitMs)).join(', ')} ms`)
  t.equal(askedMs.length, 4)
  t.ok(waitsMs.every(waitMs => waitMs >= 1990))
  t.same(await sha256sums([laidOutFile(into)]), digests)
})

t.test('a server that stalls in the middle is dropped at the stall limit and asked for the rest', async t => {
  const { stage, staged, digests, home } = await stageFile(t)
  let stalledMs = 0
  const proxy = await startProxy(t, stage.url, {
    onDown: async link => {
      if (stalledMs > 0 || link.movedBytes < fileBytes / 2) return
      const beganMs = performance.now()
      stalledMs = 1
      // For ever: only the client ends this.
      await link.clientClosed
      stalledMs = performance.now() - beganMs
    }
  })
  const into = join(home, 'into')

  const { stdout } = await fetchInto(t, { url: proxy.url, staged, into, more: ['--stall-seconds', '2'] })

  t.comment(`dropped after ${Math.round(stalledMs)} ms`)
  t.ok(stalledMs > 1000 && stalledMs < 5000)
  t.match(stdout, /"event":"asking again"/)
  t.ok(proxy.downBytes <= 1.2 * fileBytes)
  t.same(await sha256sums([laidOutFile(into)]), digests)
})

t.test('a server that takes the request and never answers is dropped and asked again', async t => {
  const { stage, staged, digests, home } = await stageFile(t)
  const proxy = await startProxy(t, stage.url, {
    onUp: async link => {
      if (link.number === 1) await link.clientClosed
    }
  })
  const into = join(home, 'into')

  await fetchInto(t, { url: proxy.url, staged, into, more: ['--stall-seconds', '1'] })

  t.ok(proxy.connectionCount > 1)
  t.same(await sha256sums([laidOutFile(into)]), digests)
})
