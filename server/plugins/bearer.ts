/**
 * What stands after `Bearer` in an `Authorization` header (RFC 6750, section 2.1).
 *
 * @returns undefined when there is no such thing
 */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? '')?.[1]
}
