/** What someone must be allowed to do in a namespace, as Kubernetes' authorizers are asked for it. */
export interface AccessRule {
  readonly verb: string
  readonly resource: string
  /** Empty for the core group. */
  readonly group: string
}

/**
 * Reads `verb resource[.group]`: `create pods`, `create sparkapplications.sparkoperator.k8s.io`.
 *
 * @throws Error that says what was expected
 */
export function parseAccessRule(text: string): AccessRule {
  const found = /^([a-z]+) ([a-z]+)(?:\.([a-z0-9]+(?:[-.][a-z0-9]+)*))?$/.exec(text)
  const [, verb, resource, group = ''] = found ?? []
  if (verb === undefined || resource === undefined) {
    throw new Error('expected "verb resource" or "verb resource.group", for example "create pods"')
  }
  return { verb, resource, group }
}

/** The rule as it was written. */
export function describeAccessRule({ verb, resource, group }: AccessRule): string {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}`
}
