import t from 'tap'
import { helpText, readCommand, readCopyUrls } from '../../server/options.ts'

t.test('without an argument it serves, and with one it does what it says', async t => {
  t.equal(readCommand([]), 'serve')
  t.equal(readCommand(['verify']), 'verify')
  t.equal(readCommand(['copy', '--from', 'file:///a', '--to', 'file:///b']), 'copy')
  t.equal(readCommand(['--help']), 'help')
  t.equal(readCommand(['-h']), 'help')
  t.equal(readCommand(['--version']), 'version')
})

t.test('anything else is refused with what was expected, and is not shown', async t => {
  const expected = 'expected no argument, or one of verify, copy, --help, -h, --version'

  for (const args of [['a-secret'], ['verify', 'a-secret'], ['']]) {
    const refused = () => readCommand(args)

    t.throws(refused, { message: new RegExp(`^${expected}, found `) })
    t.throws(refused, { message: /^(?!.*a-secret)/ })
  }
})

t.test('the help names every command', async t => {
  for (const name of ['verify', 'copy', '--help', '--version']) t.match(helpText, `\n  ${name} `)
})

t.test('copy is told from where to where', async t => {
  const urls = { from: 'file:///a', to: 's3://bucket/b' }

  t.strictSame(readCopyUrls(['--from', urls.from, '--to', urls.to]), urls)
  t.strictSame(readCopyUrls([`--to=${urls.to}`, `--from=${urls.from}`]), urls)
})

t.test('anything else is refused, and is not shown', async t => {
  for (const args of [
    [],
    ['--from', 'a-secret'],
    ['--from', 'x', '--to', 'y', 'a-secret'],
    ['--a-secret=x'],
    ['--from']
  ]) {
    t.throws(() => readCopyUrls(args), { message: 'expected copy --from URL --to URL, found something else' })
  }
})
