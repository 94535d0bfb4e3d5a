import type { TObject, TSchema } from 'typebox'
import type { ErrorCode } from '../../shared/errors.ts'
import type { AuditedAction } from '../observe/audit.ts'

/** An answer of a route, where `/openapi.json` has more to say than the route's schema does. */
export interface DescribedAnswer {
  readonly description: string
  /** By name. */
  readonly headers?: Readonly<Record<string, TSchema>>
  /** By media type; without it, the answer is as the route's schema has it, or has no body. */
  readonly content?: Readonly<Record<string, TSchema>>
}

/**
 * What a route promises beyond its schemas: for `/openapi.json`, for the audit and for the figures. Its schemas check
 * requests; nothing of this does.
 */
export interface Contract {
  readonly operationId: string
  readonly summary: string
  readonly tag: 'uploads' | 'downloads' | 'operations' | 'fork'
  /** What stands in the `Authorization` header, if the route asks for anything. */
  readonly credential?: 'uploadCredential' | 'downloadToken' | 'resourceSecret'
  /** What each request does; without it, requests are not audited. */
  readonly action?: AuditedAction
  /** Every code that the route answers with, beyond those that all routes can. */
  readonly refusals: readonly ErrorCode[]
  /** Parameters in the path, as the document names them. */
  readonly parameters?: TObject
  /** Request headers that have a meaning, beside the credential. */
  readonly headers?: TObject
  /** The request's body by media type, where the route's schema does not say it. */
  readonly body?: Readonly<Record<string, TSchema>>
  /** Answers below 400, and those above that are none of our errors, by status. */
  readonly answers: Readonly<Record<number, DescribedAnswer>>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    contract?: Contract
  }
}

/** A table of contracts by name; the names stay known to the types. */
export function contractTable<Name extends string>(
  table: Readonly<Record<Name, Contract>>
): Readonly<Record<Name, Contract>> {
  return table
}
