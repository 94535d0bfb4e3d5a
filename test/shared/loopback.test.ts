import t from 'tap'
import { isLoopback, isPlaintext } from '../../shared/loopback.ts'

t.test('loopback is what this machine cannot be asked for from elsewhere', t => {
  for (const host of [
    'localhost',
    'LOCALHOST',
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '[::1]',
    '0:0:0:0:0:0:0:1'
  ]) {
    t.equal(isLoopback(host), true, host)
  }
  for (const host of [
    '',
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    '[::2]',
    'localhost.example',
    'example.localhost',
    '127.1',
    '127.0.0.1.nip.io',
    '2130706433'
  ]) {
    t.equal(isLoopback(host), false, host)
  }
  t.end()
})

t.test('plain text is http to another machine', t => {
  t.equal(isPlaintext(new URL('http://stage:10000')), true)
  t.equal(isPlaintext(new URL('http://localhost:10000')), false)
  t.equal(isPlaintext(new URL('http://[::1]:10000')), false)
  t.equal(isPlaintext(new URL('https://stage')), false)
  t.end()
})
