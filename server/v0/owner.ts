import { quote, StagingError } from '../../shared/errors.ts'
import { checkNamespace } from '../../shared/names.ts'

type Labels = Readonly<Record<string, string>>

/** Whose the files are. */
export interface ResourcesOwner {
  readonly namespace: string
  /** Which pods of the namespace; never empty. */
  readonly ownerLabels?: Labels
}

const knownFields = ['ownerNamespace', 'ownerLabels', 'ownerType']

/**
 * Reads the part `resourcesOwner`: `{ownerNamespace, ownerLabels?, ownerType?}`. Labels and type say which pods keep the
 * files. Labels that no pod can have, or none at all, name no owner: time alone keeps the files then.
 *
 * @param allowed the namespaces that an owner may have; undefined means all
 * @throws StagingError `STAGE_ERR_BAD_REQUEST`, `STAGE_ERR_BAD_NAMESPACE`
 */
export function parseOwner(text: string, allowed: readonly string[] | undefined): ResourcesOwner {
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
  return isSelector(ownerLabels) ? { namespace, ownerLabels } : { namespace }
}

/** Whether pods can be asked for by these labels; the syntax is that of Kubernetes' labels. */
function isSelector(labels: Labels): boolean {
  const entries = Object.entries(labels)
  const name = '[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?'
  const keyPattern = new RegExp(`^(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?/)?${name}$`)
  const valuePattern = new RegExp(`^(?:${name})?$`)
  return (
    entries.length > 0 && entries.every(([key, value]) => keyPattern.test(key) && valuePattern.test(value))
  )
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

function isLabels(value: unknown): value is Labels {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every(label => typeof label === 'string')
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : quote(JSON.stringify(value))
}

function badOwner(subject: string, expected: string, found: string): StagingError {
  return new StagingError('STAGE_ERR_BAD_REQUEST', { subject, expected, found })
}
