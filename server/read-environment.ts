import type { Static, TObject } from 'typebox'
import { Errors } from 'typebox/schema'

type Value = string | number | boolean

/** What a schema says of one variable. */
interface Variable {
  readonly type?: string
  readonly default?: Value
}

/**
 * Reads what an object's schema names out of environment variables, checked, defaults filled in. The rest is left out.
 * Integers are written in digits and flags as `true` or `false`.
 *
 * @throws Error that names every bad variable, in one line
 */
export function readEnvironment<Schema extends TObject>(
  schema: Schema,
  env: Readonly<NodeJS.ProcessEnv>
): Static<Schema> {
  const variables: readonly (readonly [string, Variable])[] = Object.entries(schema.properties)
  const values = Object.fromEntries(
    variables.flatMap(([name, variable]) => {
      const text = env[name]
      const value = text === undefined ? variable.default : parse(text, variable)
      return value === undefined ? [] : [[name, value]]
    })
  )
  const [isRight, errors] = Errors(schema, values)
  if (!isRight) {
    const byName = Map.groupBy(errors, ({ instancePath }) => instancePath.slice(1))
    throw new Error([...byName].map(([name, found]) => `${name} ${describe(found)}`).join(', '))
  }
  // The schema has just said so.
  return values as Static<Schema>
}

/** What cannot be read stays a text, which the schema then refuses. */
function parse(text: string, { type }: Variable): Value {
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return text
}

function describe(errors: ReturnType<typeof Errors>[1]): string {
  const allowed = errors.flatMap(error => (error.keyword === 'const' ? [error.params.allowedValue] : []))
  return allowed.length > 0
    ? `must be ${allowed.join(' or ')}`
    : errors.map(({ message }) => message).join(', ')
}
