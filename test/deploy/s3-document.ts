import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** A statement of a policy as docs/s3.md has it. */
export interface Statement {
  readonly Effect: string
  readonly Action: string | readonly string[]
  readonly Resource: string
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface Policy {
  readonly Version: string
  readonly Statement: readonly Statement[]
}

/** A rule of a bucket as docs/s3.md has it. */
export interface LifecycleRule {
  readonly Filter: { readonly Prefix: string }
  readonly Expiration?: object
}

/** The policy for the bucket, and the one for its key. */
export async function readPolicies(): Promise<readonly [bucket: Policy, key: Policy]> {
  // A boundary: what is in a document, which the tests look at.
  return (await readBlocks('policy')) as [Policy, Policy]
}

export async function readLifecycleRules(): Promise<readonly LifecycleRule[]> {
  // As above.
  const [{ Rules }] = (await readBlocks('lifecycle')) as [{ readonly Rules: readonly LifecycleRule[] }]
  return Rules
}

/** All actions of some statements, sorted. */
export function actionsOf({ Statement }: Policy): readonly string[] {
  return Statement.flatMap(({ Action }) => Action).sort()
}

/** What stands in blocks of JSON that are called so. */
async function readBlocks(name: string): Promise<readonly unknown[]> {
  const text = await readFile(fileURLToPath(new URL('../../docs/s3.md', import.meta.url)), 'utf8')
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`json ${name}\\n(.*?)^\`\`\`$`, 'gms'))]
  return blocks.map(([, json = '']) => JSON.parse(json))
}
