import { quote, StagingError } from '../../shared/errors.ts'
import { checkNamespace } from '../../shared/names.ts'

const knownFields = ['ownerNamespace', 'ownerLabels', 'ownerType']

/**
 * Reads the part `resourcesOwner`: `{ownerNamespace, ownerLabels?, ownerType?}`. Labels and type say which pods keep the
 * files; they are checked and not kept, since the lease does that by time.
 *
 * @param allowed the namespaces that an owner may have; undefined means all
 * @returns the owner's namespace
 * @throws StagingError `STAGE_ERR_BAD_REQUEST`, `STAGE_ERR_BAD_NAMESPACE`
 */
export function parseOwner(text: string, allowed: readonly string[] | undefined): string {
  const owner = parseObject(text)
  const unknown = Object.keys(owner).find(name => !knownFields.includes(name))
  if (unknown !== undefined) throw badOwner(unknown, `only ${knownFields.join(', ')}`, 'an unknown field')
  const { ownerNamespace, ownerLabels = {}, ownerType = 'Pod' } = owner
  if (typeof ownerNamespace !== 'string')
    throw badOwner('ownerNamespace', 'a namespace', show(ownerNamespace))
  if (!isLabels(ownerLabels)) throw badOwner('ownerLabels', 'an object of texts', show(ownerLabels))
  if (ownerType !== 'Pod') throw badOwner('ownerType', '"Pod"', show(ownerType))
  const namespace = checkNamespace(ownerNamespace)
  if (allowed !== undefined && !allowed.includes(namespace)) {
    throw badOwner('ownerNamespace', 'a namespace of SPARK_STAGE_V0_NAMESPACES', show(namespace))
  }
  return namespace
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  const owner = parseJson(text)
  if (typeof owner === 'object' && owner !== null && !Array.isArray(owner)) return { ...owner }
  throw badOwner('resourcesOwner', 'a JSON object', quote(text))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isLabels(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every(label => typeof label === 'string')
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : quote(JSON.stringify(value))
}

function badOwner(subject: string, expected: string, found: string): StagingError {
  return new StagingError('STAGE_ERR_BAD_REQUEST', { subject, expected, found })
}
