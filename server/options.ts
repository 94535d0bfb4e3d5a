import { parseArgs } from 'node:util'

/** What `spark-stage-server` can be asked to do. */
export type Command = 'serve' | 'verify' | 'copy' | 'help' | 'version'

/** What `--help` says. */
export const helpText = `spark-stage-server [verify | copy --from URL --to URL]

Stages a Spark application's own files for its driver and executor pods. Without a command, serves.

  verify      Looks at everything in the store and reads every byte, while no server runs on it. Sets right what is
              counted for quotas, and changes nothing else.
              Prints one line for each thing that is wrong, then a summary. Ends with 15 if anything is.
  copy        Copies a store, such as file:///var/lib/spark-stage, to a place where nothing is yet, such as
              s3://bucket/prefix, while no server runs on either, and reads every byte back.
              When it was stopped, the same command goes on with it.
  --help      Prints this.
  --version   Prints the version.

Everything else is set by environment variables: see docs/configuration.md.
`

const commands: ReadonlyMap<string, Command> = new Map([
  ['verify', 'verify'],
  ['copy', 'copy'],
  ['--help', 'help'],
  ['-h', 'help'],
  ['--version', 'version']
])

/** @throws Error that names what was expected */
export function readCommand(args: readonly string[]): Command {
  const [name, ...more] = args
  if (name === undefined) return 'serve'
  const command = commands.get(name)
  if (command !== undefined && (more.length === 0 || command === 'copy')) return command
  // An argument may be a secret in the wrong place: it is not shown.
  const found = args.length === 1 ? 'something else' : `${args.length} arguments`
  throw new Error(
    `expected no argument, or one of ${[...commands.keys()].join(', ')}, found ${found}; ` +
      'everything else is set by environment variables'
  )
}

/** From where to where `copy` is to copy. @param args what follows it @throws Error that names what was expected */
export function readCopyUrls(args: readonly string[]): { readonly from: string; readonly to: string } {
  const options = { from: { type: 'string' }, to: { type: 'string' } } as const
  try {
    const { from, to } = parseArgs({ args: [...args], options }).values
    if (from !== undefined && to !== undefined) return { from, to }
  } catch {
    // What is wrong may be a secret in the wrong place: it is not shown.
  }
  throw new Error('expected copy --from URL --to URL, found something else')
}
