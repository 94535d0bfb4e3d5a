import { type DriverPod, isDriver, nameOfPod, troublesOf } from './explain-pod.ts'
import type { JobCluster, JobPod } from './job-cluster.ts'
import { podNames } from './pod-template.ts'

/** One job: its pods carry the bundle's label, its Secret the bundle's token. */
export interface Job {
  readonly namespace: string
  readonly bundleId: string
  readonly secretName: string
}

/** The driver pod as it was seen last. */
export interface FoundDriver {
  readonly pod: DriverPod
  /** Whether it is still there. */
  readonly isThere: boolean
}

/**
 * Looks on while spark-submit runs: makes the driver pod the owner of the Secret as soon as there is one, and says once
 * what fails in any pod. Nothing that goes wrong here stops the job.
 */
export class JobWatch {
  readonly #cluster: JobCluster
  readonly #job: Job
  readonly #note: (line: string) => void
  readonly #told = new Set<string>()
  #isOwned = false
  #owning: Promise<void> | undefined
  #driver: DriverPod | undefined

  constructor(cluster: JobCluster, job: Job, note: (line: string) => void) {
    this.#cluster = cluster
    this.#job = job
    this.#note = note
  }

  /** Watches until `signal` aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const onPod = (type: string, pod: JobPod): void => {
      if (type !== 'DELETED') void this.#see(pod, signal)
    }
    try {
      await this.#cluster.watchPods({ ...this.#selection(), onPod }, signal)
    } catch (error) {
      if (signal.aborted) return
      this.#tell(`the pods of this job cannot be watched: ${(error as Error).message}`)
    }
  }

  /**
   * The driver, undefined when there never was one. Makes it the owner of the Secret if the watch did not.
   *
   * @throws ClientError when nobody can tell
   */
  async findDriver(signal: AbortSignal): Promise<FoundDriver | undefined> {
    const pods = await this.#cluster.listPods(this.#selection(), signal)
    for (const pod of pods) await this.#see(pod, signal)
    const pod = this.#driver
    if (pod === undefined) return undefined
    const isThere = pods.some(isDriver)
    if (isThere && !this.#isOwned) await this.#own(pod, signal)
    return { pod, isThere }
  }

  #selection() {
    const { namespace, bundleId } = this.#job
    return { namespace, labelSelector: `${podNames.bundleLabel}=${bundleId}` }
  }

  async #see(pod: JobPod, signal: AbortSignal): Promise<void> {
    // Of a driver that failed the end tells it all.
    const troubles = isDriver(pod) && pod.status?.phase === 'Failed' ? [] : troublesOf(pod)
    for (const trouble of troubles) this.#tell(`${nameOfPod(pod)}: ${trouble}`)
    if (!isDriver(pod)) return
    this.#driver = pod
    // Events come faster than answers: one attempt at a time, and another when it failed.
    if (this.#isOwned) return
    this.#owning ??= this.#own(pod, signal).finally(() => {
      this.#owning = undefined
    })
    await this.#owning
  }

  async #own({ metadata }: DriverPod, signal: AbortSignal): Promise<void> {
    const { namespace, secretName: name } = this.#job
    const pod = { name: metadata.name, uid: metadata.uid }
    try {
      await this.#cluster.ownSecretByPod({ namespace, name, pod }, signal)
      this.#isOwned = true
    } catch (error) {
      if (signal.aborted) return
      this.#tell(`Secret ${name} does not belong to the driver pod yet: ${(error as Error).message}`)
    }
  }

  #tell(line: string): void {
    if (this.#told.has(line)) return
    this.#told.add(line)
    this.#note(line)
  }
}
