import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { sha256sums, writeRandomFile } from './files.ts'
import { startFront } from './front.ts'
import { startMinio } from './minio.ts'
import { fetchInto, put } from './programs.ts'
import { startReplicas } from './replicas.ts'
import { type Link, startProxy } from './tcp-proxy.ts'

/** What a fetch cost, and what came before the store. */
export interface RedirectedFetch {
  /** Bytes between the init container and the server, in both directions. */
  readonly serverBytes: number
  /** The requests for the file's bytes that came before the store during the fetch. */
  readonly asked: readonly AskedFor[]
  /** Whether the download token was in the head of any request to the store. */
  readonly isTokenShown: boolean
}

/** One request for bytes, as it came before the store. */
export interface AskedFor {
  readonly signature: string | null
  readonly range: string | undefined
  readonly authorization: string | undefined
}

export interface RedirectedFetchOptions {
  readonly sizeBytes: number
  readonly isOn: boolean
  /** After how long the first connection that brings much of the file is cut; it is slowed down to last so long. */
  readonly cutAfterMs?: number
}

/** Fetches a file by the init container from servers that redirect to the bucket, and checks it. */
export async function fetchRedirected(
  t: Test,
  { sizeBytes, isOn, cutAfterMs }: RedirectedFetchOptions
): Promise<RedirectedFetch> {
  const minio = await startMinio(t)
  const heads: IncomingMessage[] = []
  const front = await startFront(t, minio.endpoint, incoming => {
    heads.push(incoming)
    return false
  })
  const cutter = new Cutter(cutAfterMs === undefined ? undefined : { afterMs: cutAfterMs, sizeBytes })
  const store = await startProxy(t, front, { onDown: link => cutter.pass(link) })
  const replicas = await startReplicas(t, minio, {
    endpoint: store.url,
    env: { SPARK_STAGE_S3_REDIRECT: `${isOn}` }
  })
  const { home, credentialFile } = replicas
  const path = await writeRandomFile(join(home, 'data.bin'), sizeBytes)
  const files = ['--file', path]
  const staged = await put(t, { url: replicas.url, credentialFile, files, tokenFile: join(home, 'token') })
  const door = await startProxy(t, replicas.url)
  heads.length = 0
  cutter.start(store.downBytes)

  await fetchInto(t, { url: door.url, staged, into: join(home, 'into') })

  const laidOut = join(home, 'into', 'files', 'data.bin')
  t.same(await sha256sums([laidOut]), await sha256sums([path]), 'what was staged is laid out')
  const asked = heads.filter(({ url = '', method }) => method === 'GET' && url.includes('/data/'))
  return {
    serverBytes: door.upBytes + door.downBytes,
    asked: asked.map(({ url = '', headers: { range, authorization } }) => {
      const signature = new URL(url, store.url).searchParams.get('X-Amz-Signature')
      return { signature, range, authorization }
    }),
    isTokenShown: heads.some(({ url, rawHeaders }) => `${url} ${rawHeaders.join(' ')}`.includes(staged.token))
  }
}

/** Slows down what comes from the store and cuts it once. */
class Cutter {
  readonly #cut: { readonly afterMs: number; readonly sizeBytes: number } | undefined
  #startedMs: number | undefined
  #startBytes = 0

  constructor(cut: { readonly afterMs: number; readonly sizeBytes: number } | undefined) {
    this.#cut = cut
  }

  /** From here on, until the first cut. */
  start(movedBytes: number): void {
    this.#startedMs = performance.now()
    this.#startBytes = movedBytes
  }

  async pass({ movedBytes, cut }: Link): Promise<void> {
    if (this.#cut === undefined || this.#startedMs === undefined) return
    const { afterMs, sizeBytes } = this.#cut
    // Half of the file comes before the cut, at an even pace.
    const dueMs = (afterMs * (movedBytes - this.#startBytes)) / (sizeBytes / 2)
    const passedMs = performance.now() - this.#startedMs
    if (dueMs > passedMs) await setTimeout(dueMs - passedMs)
    if (dueMs < afterMs) return
    this.#startedMs = undefined
    cut()
  }
}
