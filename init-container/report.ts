import { writeFileSync } from 'node:fs'
import { secondMs } from '../shared/units.ts'
import type { EventFields, FetchProgress, Report } from './fetch-bundle.ts'

const progressIntervalMs = 5 * secondMs
/** Kubernetes keeps no more of a termination message. */
const maxTerminationBytes = 4096

/** Tells what happens as one JSON line an event; of the progress, a line every five seconds. */
export class JsonReport implements Report {
  readonly #write: (line: string) => void
  readonly #nowMs: () => number
  #progressMs: number

  /**
   * @param write gets whole lines
   * @param nowMs milliseconds since the epoch
   */
  constructor(write: (line: string) => void, nowMs: () => number = Date.now) {
    this.#write = write
    this.#nowMs = nowMs
    this.#progressMs = nowMs()
  }

  event(level: 'info' | 'warn' | 'error', sentence: string, fields: EventFields = {}): void {
    const time = new Date(this.#nowMs()).toISOString()
    this.#write(`${JSON.stringify({ time, level, event: sentence, ...fields })}\n`)
  }

  progress(progress: FetchProgress): void {
    if (this.#nowMs() - this.#progressMs < progressIntervalMs) return
    this.#progressMs = this.#nowMs()
    this.event('info', 'fetching', { ...progress })
  }
}

/**
 * Leaves `line` where Kubernetes looks for the reason of a container's end. A place that cannot be written is passed
 * over: the line is in the log, and the exit code must stay that of the cause.
 */
export function writeTerminationLog(file: string, line: string): void {
  try {
    // The kubelet makes its file before we start; elsewhere nothing of ours should appear in /dev.
    writeFileSync(file, Buffer.from(`${line}\n`).subarray(0, maxTerminationBytes), {
      flag: file.startsWith('/dev/') ? 'r+' : 'w'
    })
  } catch {
    // Said above.
  }
}
