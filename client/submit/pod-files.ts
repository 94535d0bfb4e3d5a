import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mergeTemplate, type StagedBundle } from './pod-template.ts'
import { type Role, roles, type SubmitPlan, templateKey } from './submit-plan.ts'
import { type Mapping, printTemplate } from './template-yaml.ts'

/** The text of each role's pod template. */
export type TemplateTexts = Readonly<Record<Role, string>>

/** The user's templates with what a bundle needs, as YAML. @throws TemplateError */
export function templateTexts(
  templates: Readonly<Record<Role, Mapping>>,
  plan: SubmitPlan,
  bundle: StagedBundle
): TemplateTexts {
  const textFor = (role: Role): string => {
    const { containerName } = plan.templates[role]
    return printTemplate(mergeTemplate(templates[role], { role, containerName }, bundle))
  }
  return { driver: textFor('driver'), executor: textFor('executor') }
}

/** Pod templates in a folder that only this user can look into, gone with it. */
export class TemplateFolder implements AsyncDisposable {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  static async make(): Promise<TemplateFolder> {
    return new TemplateFolder(await mkdtemp(join(tmpdir(), 'spark-stage-')))
  }

  /** Writes the templates. @returns the properties that name them to Spark */
  async write(texts: TemplateTexts): Promise<ReadonlyMap<string, string>> {
    for (const role of roles) await writeFile(this.#file(role), texts[role], { flag: 'wx', mode: 0o600 })
    return templateProperties(role => pathToFileURL(this.#file(role)).href)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { recursive: true, force: true })
  }

  #file(role: Role): string {
    return join(this.#path, `${role}.yaml`)
  }
}

/** The properties that name the templates of both roles. */
export function templateProperties(nameFor: (role: Role) => string): ReadonlyMap<string, string> {
  return new Map(roles.map(role => [templateKey(role), nameFor(role)]))
}
