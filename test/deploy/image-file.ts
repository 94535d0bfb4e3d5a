import { readFile } from 'node:fs/promises'

/** A Dockerfile as its instructions, in order; continued lines are one. */
export interface ImageFile {
  /** What stands before the first instruction, without its marks. */
  readonly introduction: string
  readonly instructions: readonly Instruction[]
  /** The arguments of the only instruction of a name. @throws Error when there is none or more */
  only(name: string): string
  /** `ENV` and `LABEL` hold several. */
  pairs(name: string): Readonly<Record<string, string>>
}

export interface Instruction {
  readonly name: string
  readonly args: string
}

/** @param name from the root of the repository */
export async function readImageFile(name: string): Promise<ImageFile> {
  const text = await readFile(new URL(`../../${name}`, import.meta.url), 'utf8')
  const lines = text.split('\n')
  const introduction = lines.slice(0, lines.indexOf('')).join('\n').replaceAll(/^# ?/gm, '')
  const instructions = lines
    .filter(line => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter(line => line !== '')
    .map(line => ({ name: line.slice(0, line.indexOf(' ')), args: line.slice(line.indexOf(' ') + 1) }))
  const all = (wanted: string) => instructions.filter(({ name }) => name === wanted).map(({ args }) => args)
  return {
    introduction,
    instructions,
    only: wanted => {
      const [args, ...more] = all(wanted)
      if (args === undefined || more.length > 0) throw new Error(`expected ${name} to have one ${wanted}`)
      return args
    },
    pairs: wanted => {
      const found = all(wanted).flatMap(args => [...args.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)])
      return Object.fromEntries(found.map(([, key, quoted, plain]) => [key, quoted ?? plain]))
    }
  }
}
