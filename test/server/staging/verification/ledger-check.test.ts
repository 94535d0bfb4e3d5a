import t from 'tap'
import type { Lease } from '../../../../server/staging/lease.ts'
import type { Ledger } from '../../../../server/staging/usage.ts'
import { isWrong, LedgerCheck } from '../../../../server/staging/verification/ledger-check.ts'

const bundleId = '0123456789abcdef0123456789abcdef'
const account = `${bundleId}/0`
const lease: Lease = {
  namespace: 'ns',
  principal: 'p',
  state: 'draft',
  attempt: 0,
  createdAtMs: 0,
  expiresAtMs: 0
}
const committed: Lease = { ...lease, state: 'committed', account, sizeBytes: 7 }
const ended: Lease = { ...committed, state: 'ended', reason: 'expired', endedAtMs: 0 }
const held: Ledger['held'] = { ns: { bytes: 7, bundlesCount: 1 } }
const reserved = { namespace: 'ns', bytes: 9 }
const taken = { namespace: 'ns', bytes: 0, isHeld: true, takenBy: 'a removal' } as const

/** What a server that dies at some moment leaves: a lease, and a ledger that agrees with it. */
const right: Readonly<Record<string, readonly [Lease, Ledger]>> = {
  'a draft without a reservation': [lease, { held: {}, open: {} }],
  'a draft with one': [lease, { held: {}, open: { [`${bundleId}/draft`]: reserved } }],
  'a bundle whose commit was not settled': [committed, { held: {}, open: { [account]: reserved } }],
  'a bundle that is held': [committed, { held, open: {} }],
  'one that has ended, and is not taken out yet': [ended, { held, open: {} }],
  'one that is being taken out': [ended, { held, open: { [account]: taken } }],
  'one that is being taken out, and was not settled': [
    ended,
    { held: {}, open: { [account]: { ...reserved, takenBy: 'a removal' } } }
  ],
  'one whose removal is confirmed': [
    { ...ended, releasedBy: 'a removal' },
    { held, open: { [account]: taken } }
  ],
  'one that is released': [
    { ...ended, releasedBy: 'a removal' },
    { held: {}, open: {} }
  ],
  'one that is released, and was taken out once more, too late': [
    { ...ended, releasedBy: 'another removal' },
    { held: {}, open: { [account]: taken } }
  ],
  'a draft that has ended': [
    { ...lease, state: 'ended' },
    { held: {}, open: {} }
  ]
}

for (const [what, [found, ledger]] of Object.entries(right)) {
  t.test(`${what} is counted right`, async t => {
    const check = new LedgerCheck({ ledger, version: '1' })
    check.count(bundleId, found)

    t.same(check.verdict().found, ledger)
    t.notOk(isWrong(check.verdict()))
  })
}

t.test('an account that no lease names is closed', async t => {
  const open = { [`${bundleId}/draft`]: reserved, [`${'f'.repeat(32)}/0`]: reserved }
  const check = new LedgerCheck({ ledger: { held, open }, version: '1' })
  check.count(bundleId, committed)

  t.same(check.verdict().found, { held, open: {} })
  t.ok(isWrong(check.verdict()))
})

t.test('nothing is set right where a lease cannot be read', async t => {
  const check = new LedgerCheck({ ledger: { held, open: {} }, version: '1' })
  check.count(bundleId, undefined)

  t.notOk(isWrong(check.verdict()))
})
