/** What `spark-stage-server` can be asked to do. */
export type Command = 'serve' | 'verify' | 'help' | 'version'

/** What `--help` says. */
export const helpText = `spark-stage-server [verify]

Stages a Spark application's own files for its driver and executor pods. Without a command, serves.

  verify      Looks at everything in the store and reads every byte, while no server runs on it. Sets right what is
              counted for quotas, and changes nothing else.
              Prints one line for each thing that is wrong, then a summary. Ends with 15 if anything is.
  --help      Prints this.
  --version   Prints the version.

Everything else is set by environment variables: see docs/configuration.md.
`

const commands: ReadonlyMap<string, Command> = new Map([
  ['verify', 'verify'],
  ['--help', 'help'],
  ['-h', 'help'],
  ['--version', 'version']
])

/** @throws Error that names what was expected */
export function readCommand(args: readonly string[]): Command {
  const [name, ...more] = args
  if (name === undefined) return 'serve'
  const command = commands.get(name)
  if (command !== undefined && more.length === 0) return command
  // An argument may be a secret in the wrong place: it is not shown.
  const found = args.length === 1 ? 'something else' : `${args.length} arguments`
  throw new Error(
    `expected no argument, or one of ${[...commands.keys()].join(', ')}, found ${found}; ` +
      'everything else is set by environment variables'
  )
}
