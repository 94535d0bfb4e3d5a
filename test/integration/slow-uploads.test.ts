import { readdir, readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bundlesPath } from '../../shared/paths.ts'
import { KiB, MiB, secondMs } from '../../shared/units.ts'
import { writeRandomFile } from './helpers/files.ts'
import { namespace, put, type StageProcess, startStage } from './helpers/programs.ts'
import { testFolder } from './helpers/test-folder.ts'

const uploadCount = 1000
const idleSeconds = 15

/** What each of them sends before it slows down: most of what the server gathers before it writes. */
const begunBytes = 768 * KiB

/** Uploads that have begun and go on by a byte a second. */
class SlowUploads {
  readonly #sockets: Socket[] = []
  readonly closedMs: number[] = []
  readonly answers: string[] = []
  readonly #timer = setInterval(() => this.#trickle(), secondMs)

  constructor(t: Test) {
    t.teardown(() => {
      clearInterval(this.#timer)
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  get openCount(): number {
    return uploadCount - this.closedMs.length
  }

  /** Whether all of what the clients sent at first has left them. */
  get isSent(): boolean {
    return this.#sockets.every(({ writableLength }) => writableLength === 0)
  }

  start(port: number, request: Buffer): void {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    const startedMs = performance.now()
    socket.on('data', data => this.answers.push(data.toString('latin1')))
    socket.once('close', () => this.closedMs.push(performance.now() - startedMs))
    socket.write(request)
    this.#sockets.push(socket)
  }

  #trickle(): void {
    for (const socket of this.#sockets) if (!socket.destroyed) socket.write('x')
  }
}

t.test('1,000 half-open uploads do not stop a new one, cost little, and end at the idle limit', async t => {
  const home = testFolder(t)
  const stage = await startStage(t, { home, env: { SPARK_STAGE_IDLE_SECONDS: String(idleSeconds) } })
  const { credentialFile, port, store } = stage
  const file = await writeRandomFile(join(home, 'new.bin'), 5 * MiB)
  const uploads = new SlowUploads(t)
  const begun = await halfUpload(credentialFile)
  const beforeBytes = await stage.peakBytes()

  // A few at a time: this is about what they cost while they are slow, not about how fast they begin.
  for (let n = 1; n <= uploadCount; n += 1) {
    uploads.start(port, begun)
    if (n % 50 === 0) await until(async () => uploads.isSent && (await halfStored(store)) === n)
  }

  const startedMs = performance.now()
  const staged = await put(t, { ...stage, files: ['--file', file], tokenFile: join(home, 'token') })
  t.comment(`a new upload took ${Math.round(performance.now() - startedMs)} ms`)
  t.equal(staged.uploadedBytes, 5 * MiB)
  t.equal(uploads.openCount, uploadCount, 'all of them were under way')
  await until(() => uploads.openCount === 0)
  const seconds = uploads.closedMs.map(ms => ms / secondMs).sort((a, b) => a - b)
  t.comment(`ended after ${seconds[0]?.toFixed(1)} to ${seconds.at(-1)?.toFixed(1)} s`)
  const costBytes = ((await stage.peakBytes()) - beforeBytes) / uploadCount
  t.comment(`most memory of the server: ${Math.round((await stage.peakBytes()) / MiB)} MiB`)
  t.comment(`each of them cost ${Math.round(costBytes / KiB)} KiB of it`)
  t.ok((seconds[0] ?? 0) >= idleSeconds - 1)
  t.same(uploads.answers, [], 'without a word')
  t.ok(costBytes < begunBytes / 2)
  await until(async () => (await readdir(join(store, 'bundles'))).length === 1)
  t.same(await readdir(join(store, 'bundles')), [staged.bundleId])
  t.equal(await halfStored(store), 0)
  await serves(t, stage)
})

/** A multipart request without its end. */
async function halfUpload(credentialFile: string): Promise<Buffer> {
  const credential = (await readFile(credentialFile, 'utf8')).trim()
  const lines = [
    `POST ${bundlesPath(namespace)} HTTP/1.1`,
    'Host: localhost',
    `Authorization: Bearer ${credential}`,
    'Content-Type: multipart/form-data; boundary=B',
    `Content-Length: ${100 * MiB}`
  ]
  const part = '--B\r\nContent-Disposition: form-data; name="files"; filename="slow"\r\n\r\n'
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${part}${'x'.repeat(begunBytes)}`)
}

/** Files of the store that are being written. */
async function halfStored(store: string): Promise<number> {
  return (await readdir(join(store, 'tmp'))).length
}

async function serves(t: Test, { url }: StageProcess): Promise<void> {
  t.equal((await fetch(`${url}/readyz`)).status, 200)
}

async function until(claim: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await claim())) await new Promise(resolve => setTimeout(resolve, 20))
}
