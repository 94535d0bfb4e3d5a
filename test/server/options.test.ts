import t from 'tap'
import { helpText, readCommand } from '../../server/options.ts'

t.test('without an argument it serves, and with one it does what it says', async t => {
  t.equal(readCommand([]), 'serve')
  t.equal(readCommand(['verify']), 'verify')
  t.equal(readCommand(['--help']), 'help')
  t.equal(readCommand(['-h']), 'help')
  t.equal(readCommand(['--version']), 'version')
})

t.test('anything else is refused with what was expected, and is not shown', async t => {
  const expected = 'expected no argument, or one of verify, --help, -h, --version'

  for (const args of [['a-secret'], ['verify', 'a-secret'], ['']]) {
    const refused = () => readCommand(args)

    t.throws(refused, { message: new RegExp(`^${expected}, found `) })
    t.throws(refused, { message: /^(?!.*a-secret)/ })
  }
})

t.test('the help names every command', async t => {
  for (const name of ['verify', '--help', '--version']) t.match(helpText, `\n  ${name} `)
})
