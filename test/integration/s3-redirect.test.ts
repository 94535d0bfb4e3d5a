import t from 'tap'
import { fetchRedirected } from './helpers/redirected-fetch.ts'

t.test(
  'a redirected fetch of 500 MB costs the server next to nothing, and shows the bucket no token',
  async t => {
    const { serverBytes, asked, isTokenShown } = await fetchRedirected(t, {
      sizeBytes: 500_000_000,
      isOn: true
    })

    t.ok(serverBytes < 1_000_000, `${serverBytes} bytes between init container and server`)
    t.ok(
      asked.length > 0 && asked.every(({ signature }) => signature !== null),
      'the server asks for no bytes'
    )
    t.ok(
      asked.every(({ authorization }) => authorization === undefined),
      'the bucket is shown the URL only'
    )
    t.equal(isTokenShown, false)
  }
)

t.test('a redirected fetch that is cut after 5 s goes on by a new URL', async t => {
  const { asked } = await fetchRedirected(t, { sizeBytes: 100_000_000, isOn: true, cutAfterMs: 5000 })

  const [first, second] = asked
  t.equal(asked.length, 2)
  t.not(first?.signature, second?.signature)
  t.match(second?.range, /^bytes=[1-9]\d*-/, 'what had come is not asked for again')
})

t.test('with redirects off, the server brings the bytes', async t => {
  const { serverBytes, asked } = await fetchRedirected(t, { sizeBytes: 20_000_000, isOn: false })

  t.ok(serverBytes > 20_000_000)
  t.ok(asked.every(({ signature }) => signature === null))
})
