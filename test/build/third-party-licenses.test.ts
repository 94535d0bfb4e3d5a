import { join } from 'node:path'
import t from 'tap'
import { thirdPartyLicenses } from '../../build/third-party-licenses.ts'

const manifest = (name: string, more: object) => JSON.stringify({ name, version: '1.2.3', ...more })

t.test('each package is named with its version, its license and all its license files', async t => {
  const folder = t.testdir({
    one: {
      'package.json': manifest('one', { license: 'MIT' }),
      LICENSE: 'The text of one.\n',
      'index.js': ''
    },
    two: {
      'package.json': manifest('@scope/two', { license: 'Apache-2.0' }),
      'licence.md': 'The text of two.',
      'NOTICE.txt': 'The notice of two.'
    }
  })

  const text = await thirdPartyLicenses([join(folder, 'one'), join(folder, 'two')])

  const [one, two, ...more] = text.split(`\n${'-'.repeat(80)}\n\n`)
  t.equal(one, 'one 1.2.3 (MIT)\n\nThe text of one.\n')
  t.equal(two, '@scope/two 1.2.3 (Apache-2.0)\n\nThe notice of two.\nThe text of two.\n')
  t.same(more, [])
})

t.test('a package without a license file is passed on with its author', async t => {
  for (const [author, by] of [
    ['A. Person', 'A. Person'],
    [{ name: 'B. Person' }, 'B. Person'],
    [undefined, 'the authors of bare']
  ] as const) {
    const folder = t.testdir({ 'package.json': manifest('bare', { license: 'ISC', author }) })

    const text = await thirdPartyLicenses([folder])

    t.equal(text, `bare 1.2.3 (ISC)\n\nBy ${by}; it comes without a license file.\n`)
  }
})

t.test('a license that asks for more, or none at all, ends the build', async t => {
  for (const [license, found] of [
    ['GPL-3.0', 'GPL-3.0'],
    [undefined, 'none']
  ] as const) {
    const folder = t.testdir({ 'package.json': manifest('strict', { license }), LICENSE: 'Text.' })

    await t.rejects(thirdPartyLicenses([folder]), {
      message: `license of strict 1.2.3: expected one of MIT, ISC, BSD-2-Clause, BSD-3-Clause, Apache-2.0, BlueOak-1.0.0, Unlicense, found ${found}`
    })
  }
})
