import { StagingError } from '../../shared/errors.ts'
import { secondMs } from '../../shared/units.ts'

/** How long a bundle stays, and what it is: the one object of a bundle that changes. Times are ms since the epoch. */
export interface Lease {
  /** Empty for a draft whose uploader has not named it yet. */
  readonly namespace: string
  /** Who staged it. */
  readonly principal: string
  readonly state: 'draft' | 'committed' | 'ended'
  readonly createdAtMs: number
  readonly expiresAtMs: number
  /** Which attempt at staging the bundle counts. */
  readonly attempt: number
  /** For a declared draft: the digest of what it declared, so that a retry can be told from another request. */
  readonly declaredSha256?: string
  /** For a one-shot upload while it runs: who writes, and until when that one is believed to be alive. */
  readonly writer?: { readonly id: string; readonly untilMs: number }
  /** From the commit on: when the last download token ends, and with it the bundle, however often renewed. */
  readonly tokenExpiresAtMs?: number
  /** From the commit on: under which account and with how many bytes it is counted, see `usage.ts`. */
  readonly account?: string
  readonly sizeBytes?: number
  /** Which pods of the namespace are its owner, where its uploader has said so; else those labelled with its id. */
  readonly ownerLabels?: Readonly<Record<string, string>>
  /** Whether an owner was ever seen alive: from then on no time ends the bundle while nobody knows of its owner. */
  readonly hadOwner?: true
  /** When its owner was found to be gone, and the grace began; not there while the owner lives. */
  readonly ownerGoneAtMs?: number
  /** Once ended and no longer counted: whose removal took it out. */
  readonly releasedBy?: string
  /** Once ended: why and when. */
  readonly reason?: EndReason
  readonly endedAtMs?: number
}

/** Why a bundle is over. One that `failed` was never answered to anyone. */
export type EndReason = 'revoked' | 'expired' | 'failed'

/** A lease of a committed bundle. */
export type CommittedLease = Lease & {
  readonly state: 'committed'
  readonly tokenExpiresAtMs: number
  readonly account: string
  readonly sizeBytes: number
}

/** A lease of a bundle that is over. */
export type EndedLease = Lease & {
  readonly state: 'ended'
  readonly reason: EndReason
  readonly endedAtMs: number
}

/** How durations follow from the configuration, all in milliseconds. */
export interface LeaseTimes {
  readonly leaseMs: number
  readonly draftLeaseMs: number
  readonly maxAgeMs: number
}

export function isCommitted(lease: Lease): lease is CommittedLease {
  return (
    lease.state === 'committed' &&
    lease.tokenExpiresAtMs !== undefined &&
    lease.account !== undefined &&
    lease.sizeBytes !== undefined
  )
}

export function isEnded(lease: Lease): lease is EndedLease {
  return lease.state === 'ended'
}

/** Whether less than half of a full lease is left: only then is it worth a write. */
export function isHalfSpent(lease: Lease, fullMs: number, nowMs: number): boolean {
  return lease.expiresAtMs - nowMs < fullMs / 2
}

/** The lease once nobody writes its draft (any more). */
export function withoutWriter({ writer: _writer, ...lease }: Lease): Lease {
  return lease
}

/** The lease a committed bundle has after being renewed now. */
export function renewed(
  lease: CommittedLease,
  times: Pick<LeaseTimes, 'leaseMs'>,
  nowMs: number
): CommittedLease {
  return { ...lease, expiresAtMs: Math.min(nowMs + times.leaseMs, lease.tokenExpiresAtMs) }
}

/** The lease of a bundle whose draft is complete. */
export function committed(
  lease: Lease,
  counted: Pick<CommittedLease, 'account' | 'sizeBytes'>,
  times: LeaseTimes,
  nowMs: number
): CommittedLease {
  const tokenExpiresAtMs = nowMs + times.maxAgeMs
  return renewed(
    { ...withoutWriter(lease), state: 'committed', expiresAtMs: 0, tokenExpiresAtMs, ...counted },
    times,
    nowMs
  )
}

/** The lease of a bundle that is over. */
export function ended(lease: Lease, reason: EndReason, nowMs: number): EndedLease {
  return { ...withoutWriter(lease), state: 'ended', reason, endedAtMs: nowMs }
}

/**
 * @param isKept whether it stays although its time is over, see {@link Ownership}
 * @throws StagingError `STAGE_ERR_GONE` with reason and time when the bundle has ended or its lease has run out
 */
export function refuseGone(lease: Lease, bundleId: string, nowMs: number, isKept = false): void {
  if (lease.state !== 'ended' && (isKept || lease.expiresAtMs > nowMs)) return
  throw gone(bundleId, lease.reason ?? 'expired', lease.endedAtMs ?? lease.expiresAtMs)
}

/** @param endedAtMs ms since the epoch, if anyone knows */
export function gone(bundleId: string, reason: string, endedAtMs?: number): StagingError {
  const endedAt = endedAtMs === undefined ? {} : { endedAt: new Date(endedAtMs).toISOString() }
  return new StagingError('STAGE_ERR_GONE', { subject: bundleId, reason, ...endedAt })
}

/** Whole seconds until `untilMs`, at least 1: for `Retry-After`. */
export function secondsUntil(untilMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((untilMs - nowMs) / secondMs))
}

/** The answer to everything that would disturb a one-shot upload while it runs. */
export function uploadRunning(lease: Lease, nowMs: number): StagingError {
  const retryAfterSeconds = secondsUntil(lease.writer?.untilMs ?? nowMs, nowMs)
  return new StagingError('STAGE_ERR_UPLOAD_RUNNING', { retryAfterSeconds })
}
