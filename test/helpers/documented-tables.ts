import { readFile } from 'node:fs/promises'
import { optionTable as clientOptions } from '../../client/option-table.ts'
import { optionTable as initOptions } from '../../init-container/options.ts'
import { configSchema } from '../../server/config.ts'
import { auditTable } from '../../server/observe/audit.ts'
import { metricTable } from '../../server/observe/metric-table.ts'
import { errorTable } from '../../shared/errors.ts'

/** Reads the rows of the tables below one heading of a page in `docs/`: what stands between it and the next heading. */
export async function documentedRows(page: string, heading: string): Promise<readonly string[]> {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const lines = text.split('\n')
  const start = lines.indexOf(heading)
  if (start < 0) throw new Error(`docs/${page} has no heading "${heading}"`)
  const end = lines.findIndex((line, index) => index > start && line.startsWith('#'))
  const section = lines.slice(start + 1, end < 0 ? lines.length : end)
  return section.filter(line => /^\| (?:`|\d)/.test(line))
}

/** The rows that `docs/errors.md` must have. */
export function errorRows(): readonly string[] {
  return Object.entries(errorTable).map(
    ([code, { status, sentence, todo }]) => `| \`${code}\` | ${status} | ${sentence} | ${escapeBars(todo)} |`
  )
}

/** The rows that `docs/configuration.md` must have for the server. */
export function serverRows(): readonly string[] {
  return Object.entries(configSchema.properties).map(([name, schema]) => {
    // The schemas are of several kinds; the tables need only what all of them may have.
    const { default: preset, description } = schema as { default?: unknown; description?: string }
    return `| \`${name}\` | ${unitOf(name, preset)} | ${preset === undefined ? '' : `\`${preset}\``} | ${description} |`
  })
}

/** The rows that `docs/configuration.md` must have for the init container. */
export function initRows(): readonly string[] {
  return Object.values(initOptions).map(
    ({ flag, env, unit, default: preset, sentence }) =>
      `| \`--${flag}\` | \`${env}\` | ${unit} | ${preset === '' ? '' : `\`${preset}\``} | ${sentence} |`
  )
}

/** The rows that `docs/configuration.md` must have for the client. */
export function clientRows(): readonly string[] {
  return clientOptions.map(row => {
    const variable = 'variable' in row ? `\`${row.variable}\`` : ''
    const preset = 'defaultValue' in row ? `\`${row.defaultValue}\`` : ''
    return `| \`${row.flag}\` | ${variable} | ${row.commands.join(', ')} | ${row.unit} | ${preset} | ${row.sentence} |`
  })
}

/** The rows that `docs/metrics.md` must have. */
export function metricRows(): readonly string[] {
  return Object.entries(metricTable).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`
  )
}

/** The rows that `docs/operations.md` must have for the audit. */
export function auditRows(): readonly string[] {
  return Object.entries(auditTable).map(
    ([action, { sentence, fields }]) =>
      `| \`${action}\` | ${sentence} | ${fields.map(field => `\`${field}\``).join(', ')} |`
  )
}

function unitOf(name: string, preset: unknown): string {
  if (name.endsWith('_SECONDS')) return 'seconds'
  if (name.endsWith('_BYTES')) return 'bytes'
  if (name.endsWith('_DOWNLOADS')) return 'count'
  if (typeof preset === 'boolean') return 'true or false'
  return (
    { _PORT: 'port', STORE: 'URL', ENDPOINT: 'URL', _DIR: 'path', FILE: 'path' }[
      name.match(/(?:_PORT|STORE|ENDPOINT|_DIR|FILE)$/)?.[0] ?? ''
    ] ?? 'text'
  )
}

function escapeBars(text: string): string {
  return text.replaceAll('|', '\\|')
}
