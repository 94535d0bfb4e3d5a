import type { Test } from 'tap'
import { type ErrorBody, type ErrorCode, errorTable } from '../../shared/errors.ts'
import type { TestServer } from './start-server.ts'

/** What a refusal is to say beside its row of the table. */
export interface Refusal {
  readonly status: number
  readonly code: ErrorCode
  readonly expected?: string | RegExp
  readonly found?: string | RegExp
}

/** Asserts that an answer is this refusal, with all that a refusal owes the caller. */
export function isRefusal(
  t: Test,
  answer: { readonly status: number; readonly error: ErrorBody },
  refusal: Refusal
): void {
  const { sentence, todo } = errorTable[refusal.code]
  const { message } = answer.error
  // Beyond the sentence of the table, a message only names the subject.
  const isOfTable = message === sentence || String(message).startsWith(`${sentence}: `)
  t.match(
    { status: answer.status, isOfTable, ...answer.error },
    { ...refusal, isOfTable: true, todo, requestId: /^.+$/ }
  )
}

/** Asserts that `act` leaves the store's files, those being written included, as they were. */
export async function leavesNothing(t: Test, server: TestServer, act: () => Promise<unknown>): Promise<void> {
  const before = await server.files()
  await act()
  t.strictSame(await server.files(), before)
}
