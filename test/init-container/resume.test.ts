import { randomBytes } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { realSurroundings } from '../../init-container/surroundings.ts'
import { KiB, MiB } from '../../shared/units.ts'
import { bundleId, fakeFile, fakeServer } from './fake-server.ts'
import { type Fetching, fetching } from './fetching.ts'

/** Leaves what a killed run had fetched of the bundle's first file. */
async function leavePart({ into }: Fetching, bytes: Buffer): Promise<void> {
  await mkdir(join(into, `.partial-${bundleId}`))
  await writeFile(join(into, `.partial-${bundleId}`, '0.part'), bytes)
}

t.test('a fetch that is cut five times goes on each time where it stopped', async t => {
  const big = fakeFile('files/big', randomBytes(24 * MiB))
  const server = await fakeServer(t, [big], {
    onEntry: ({ nth, answer }) => answer(nth < 5 ? 4 * MiB : undefined)
  })
  const { run, into, waits } = fetching(t, server.url)

  const summary = await run()

  t.ok((await readFile(join(into, 'files/big'))).equals(big.bytes))
  t.ok(
    summary.fetchedBytes <= 1.2 * big.bytes.length,
    `at most 1.2 times the bytes, found ${summary.fetchedBytes}`
  )
  t.equal(server.entryRequests.length, 6)
  t.equal(waits.length, 5)
  t.ok(
    waits.every(waitMs => waitMs === 250),
    'progress makes the wait short again'
  )
})

t.test('a server that stalls is dropped at the stall limit and asked for the rest', async t => {
  const file = fakeFile('files/x', randomBytes(64 * KiB))
  const server = await fakeServer(t, [file], {
    onEntry: ({ nth, answer, response }) => {
      if (nth === 0) return
      if (nth > 1) return answer()
      response.writeHead(200, { 'content-length': file.bytes.length })
      response.write(file.bytes.subarray(0, 1000))
    }
  })
  const { run, warnings } = fetching(t, server.url, { stallMs: 100 })

  const summary = await run()

  t.equal(summary.fetchedBytes, file.bytes.length)
  t.equal(server.entryRequests[2]?.headers.range, 'bytes=1000-')
  t.match(warnings, [/^UND_ERR_HEADERS_TIMEOUT/, /^UND_ERR_BODY_TIMEOUT/])
})

t.test('Retry-After is waited for, with jitter on top', async t => {
  const server = await fakeServer(t, [fakeFile('files/x', 'x')], {
    onEntry: ({ nth, answer, response }) => {
      if (nth < 3) response.writeHead(503, { 'retry-after': '2' }).end()
      else answer()
    }
  })
  const { run, waits } = fetching(t, server.url)

  await run()

  t.same(waits, [2250, 2500, 3000])
})

t.test(
  'Retry-After is not waited for beyond the time to give up, where the last attempt is made',
  async t => {
    const server = await fakeServer(t, [fakeFile('files/x', 'x')], {
      onEntry: ({ nth, answer, response }) => {
        if (nth === 0) response.writeHead(503, { 'retry-after': '86400' }).end()
        else answer()
      }
    })
    const { run, waits } = fetching(t, server.url, { giveUpMs: 60_000 })

    await run()

    t.equal(waits.length, 1)
    t.ok((waits[0] ?? 0) > 59_000 && (waits[0] ?? 0) <= 60_000, `found ${waits[0]}`)
  }
)

t.test('a server that restarts in the middle is asked until it is back', async t => {
  const file = fakeFile('files/x', randomBytes(2 * MiB))
  const server = await fakeServer(t, [file], {
    onEntry: ({ answer, response }) => {
      answer(MiB)
      response.once('close', () => server.stop())
    }
  })
  const { run, surroundings, waits } = fetching(t, server.url)
  const { sleep } = surroundings
  surroundings.sleep = async (waitMs, signal) => {
    await sleep(waitMs, signal)
    if (waits.length === 2) await fakeServer(t, [file], { port: Number(server.url.port) })
  }

  const summary = await run()

  t.equal(summary.fetchedBytes, file.bytes.length)
  t.equal(waits.length, 2)
})

t.test('the part of a killed run is continued', async t => {
  const file = fakeFile('files/x', randomBytes(3 * MiB))
  const server = await fakeServer(t, [file])
  const fetch = fetching(t, server.url)
  await leavePart(fetch, file.bytes.subarray(0, 2 * MiB))

  const summary = await fetch.run()

  t.equal(summary.fetchedBytes, MiB)
  t.equal(server.entryRequests[0]?.headers.range, `bytes=${2 * MiB}-`)
  t.ok((await readFile(join(fetch.into, 'files/x'))).equals(file.bytes))
})

t.test('a part that cannot be right is thrown away and the file fetched anew', async t => {
  const file = fakeFile('files/x', randomBytes(1000))
  for (const [what, part, fetchedBytes] of [
    ['too long', randomBytes(1001), 1000],
    ['of the right size, with other bytes', randomBytes(1000), 1000],
    ['too short, with other bytes', randomBytes(400), 1600]
  ] as const) {
    const server = await fakeServer(t, [file])
    const fetch = fetching(t, server.url)
    await leavePart(fetch, part)

    const summary = await fetch.run()

    t.equal(summary.fetchedBytes, fetchedBytes, what)
    t.ok((await readFile(join(fetch.into, 'files/x'))).equals(file.bytes), what)
  }
})

t.test('an answer that does not fit makes the file begin again', async t => {
  const file = fakeFile('files/x', randomBytes(1000))
  const range = (from: number): string => `bytes ${from}-999/1000`
  for (const [what, status, headers, body] of [
    ['200 to a Range', 200, {}, file.bytes],
    ['206 from elsewhere', 206, { 'content-range': range(300) }, file.bytes.subarray(300)],
    ['206 of another file', 206, { 'content-range': 'bytes 500-1999/2000' }, Buffer.alloc(1500)],
    ['206 without Content-Range', 206, {}, file.bytes.subarray(500)],
    ['412', 412, {}, Buffer.from('{}')],
    ['416', 416, { 'content-range': 'bytes */400' }, Buffer.from('{}')],
    ['204', 204, {}, Buffer.alloc(0)]
  ] as const) {
    const server = await fakeServer(t, [file], {
      onEntry: ({ nth, answer, response }) => {
        if (nth > 0) answer()
        else response.writeHead(status, headers).end(body)
      }
    })
    const fetch = fetching(t, server.url)
    await leavePart(fetch, file.bytes.subarray(0, 500))

    await fetch.run()

    t.ok((await readFile(join(fetch.into, 'files/x'))).equals(file.bytes), what)
    t.equal(server.entryRequests[1]?.headers.range, undefined, what)
  }
})

t.test('206 to a request without Range is not taken', async t => {
  const file = fakeFile('files/x', randomBytes(1000))
  const server = await fakeServer(t, [file], {
    onEntry: ({ nth, answer, response }) => {
      if (nth > 0) answer()
      else response.writeHead(206, { 'content-range': 'bytes 0-999/1000' }).end(Buffer.alloc(1000))
    }
  })
  const { run, told } = fetching(t, server.url)

  await run()

  t.match(told.find(event => event.level === 'warn')?.fields, {
    expected: 'status 200',
    found: /^status 206/
  })
})

t.test('a body of another size than the manifest says is not taken', async t => {
  const file = fakeFile('files/x', randomBytes(1000))
  for (const [what, headers, sizeBytes, found] of [
    ['announced too long', { 'content-length': 1001 }, 1001, '1001 bytes'],
    ['announced too short', { 'content-length': 999 }, 999, '999 bytes'],
    ['too long in chunks', {}, 1001, 'more'],
    ['too short in chunks', {}, 999, 'the end after 999']
  ] as const) {
    const server = await fakeServer(t, [file], {
      onEntry: ({ nth, answer, response }) => {
        if (nth > 0) return answer()
        response.writeHead(200, headers)
        response.write(Buffer.concat([file.bytes, Buffer.alloc(1)]).subarray(0, 500))
        response.end(Buffer.concat([file.bytes, Buffer.alloc(1)]).subarray(500, sizeBytes))
      }
    })
    const { run, into, warnings } = fetching(t, server.url)

    await run()

    t.equal(warnings[0], found, what)
    t.ok((await readFile(join(into, 'files/x'))).equals(file.bytes), what)
  }
})

t.test('bytes of a wrong digest are thrown away and fetched again', async t => {
  const file = fakeFile('files/x', randomBytes(1000))
  const server = await fakeServer(t, [file], {
    onEntry: ({ nth, answer, response }) => {
      if (nth > 0) answer()
      else response.end(Buffer.alloc(1000))
    }
  })
  const { run, progress, waits } = fetching(t, server.url)

  const summary = await run()

  t.equal(summary.fetchedBytes, 2000)
  t.equal(waits.length, 1)
  t.equal(progress.at(-1)?.doneBytes, 1000)
})

t.test('a digest that stays wrong ends as damaged, for bytes fetched again are no progress', async t => {
  const file = fakeFile('files/x', randomBytes(1000))
  const server = await fakeServer(t, [file], {
    onEntry: ({ response }) => void response.end(Buffer.alloc(1000))
  })
  const { run, into, waits } = fetching(t, server.url, { giveUpMs: 120_000 })

  const failed = run()

  await t.rejects(failed, {
    message: /^files\/x: expected sha256 [0-9a-f]{64}, found sha256 [0-9a-f]{64}$/,
    failure: { exit: 'damaged' }
  })
  t.ok(waits.length > 5 && waits.length < 30, `waits grow, found ${waits.length}`)
  const waitedMs = waits.reduce((sum, waitMs) => sum + waitMs, 0)
  t.ok(waitedMs > 119_000 && waitedMs <= 121_000, `found ${waitedMs}`)
  await t.rejects(stat(join(into, 'files')), { code: 'ENOENT' })
  await t.rejects(stat(join(into, '.spark-stage-complete')), { code: 'ENOENT' })
})

t.test('a file that gets no new byte for the whole time ends as given up, and stops the others', async t => {
  const stalled = fakeFile('files/a', 'aaaa')
  const slow = fakeFile('files/b', 'bbbb')
  const server = await fakeServer(t, [stalled, slow], {
    onEntry: ({ file, response }) => {
      if (file === stalled) response.writeHead(502).end('<html>bad gateway</html>')
    }
  })
  const { run, into } = fetching(t, server.url, { giveUpMs: 30_000 })

  await t.rejects(run(), {
    message: 'files/a: expected status 200, found status 502',
    failure: { exit: 'gaveUp', subject: 'files/a' }
  })

  t.ok((await stat(join(into, `.partial-${bundleId}`))).isDirectory())
})

t.test('a fetch that is stopped rejects with the reason and keeps what it has', async t => {
  const file = fakeFile('files/x', randomBytes(200 * KiB))
  const server = await fakeServer(t, [file], {
    onEntry: ({ response }) => {
      response.writeHead(200, { 'content-length': file.bytes.length })
      response.write(file.bytes.subarray(0, 100 * KiB), () => setTimeout(() => fetch.stop.abort(reason), 0))
    }
  })
  const reason = new Error('enough')
  const fetch = fetching(t, server.url)

  await t.rejects(fetch.run(), reason)

  const part = await readFile(join(fetch.into, `.partial-${bundleId}`, '0.part'))
  t.ok(file.bytes.subarray(0, part.length).equals(part))
})

t.test('a fetch that is stopped while it waits does not wait on', async t => {
  const server = await fakeServer(t, [fakeFile('files/x', 'x')], {
    onEntry: ({ response }) => void response.writeHead(503).end()
  })
  const reason = new Error('enough')
  const { run, surroundings, stop } = fetching(t, server.url)
  surroundings.sleep = async (waitMs, signal) => {
    stop.abort(reason)
    await realSurroundings.sleep(waitMs, signal)
  }

  await t.rejects(run(), reason)
})
