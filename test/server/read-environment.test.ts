import t from 'tap'
import Type from 'typebox'
import { readEnvironment } from '../../server/read-environment.ts'

const schema = Type.Object({
  COUNT: Type.Integer({ default: 7, maximum: 100 }),
  IS_ON: Type.Boolean({ default: false }),
  NAME: Type.Optional(Type.String({ pattern: '^[a-z0-9]+$', maxLength: 4 })),
  KIND: Type.Union([Type.Literal('one'), Type.Literal('two')], { default: 'one' })
})

t.test('texts become what the schema says, and what is not given has its default', async t => {
  t.strictSame(readEnvironment(schema, {}), { COUNT: 7, IS_ON: false, KIND: 'one' })
  t.strictSame(readEnvironment(schema, { COUNT: '-3', IS_ON: 'true', NAME: '12', KIND: 'two' }), {
    COUNT: -3,
    IS_ON: true,
    NAME: '12',
    KIND: 'two'
  })
  t.strictSame(readEnvironment(schema, { IS_ON: 'false', PATH: '/bin', COUNT: undefined }), {
    COUNT: 7,
    IS_ON: false,
    KIND: 'one'
  })
})

t.test('a text that is not quite a number or a flag is neither', async t => {
  for (const COUNT of ['1.5', '1e1', ' 1', '0x10', '1_0', 'true', '']) {
    t.throws(() => readEnvironment(schema, { COUNT }), { message: 'COUNT must be integer' }, COUNT)
  }
  for (const IS_ON of ['TRUE', '1', 'yes', 'true ', '']) {
    t.throws(() => readEnvironment(schema, { IS_ON }), { message: 'IS_ON must be boolean' }, IS_ON)
  }
})

t.test('every bad variable is named with what it must be', async t => {
  const env = { COUNT: '101', IS_ON: 'on', NAME: 'A-B-C', KIND: 'three' }

  t.throws(() => readEnvironment(schema, env), {
    message:
      'COUNT must be <= 100, IS_ON must be boolean, ' +
      'NAME must not have more than 4 characters, must match pattern "^[a-z0-9]+$", KIND must be one or two'
  })
})
