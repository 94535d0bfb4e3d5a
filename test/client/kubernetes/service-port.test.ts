import t from 'tap'
import {
  findPort,
  isReady,
  selectorOf,
  speaksHttps,
  targetPort
} from '../../../client/kubernetes/service-port.ts'

const place = { namespace: 'stage', service: 'stage' }
const ports = [{ port: 10_000 }, { port: 443, name: 'https', targetPort: 'web' }]
const service = { spec: { selector: { app: 'stage', tier: 'one' }, ports } }

t.test('the port is the one that is named, or the first', t => {
  t.equal(findPort(service, place).port, 10_000)
  t.equal(findPort(service, { ...place, port: 443 }).port, 443)
  t.end()
})

t.test('a port that is not there is told with those there are', t => {
  const without = (list: typeof ports, port?: number) => () =>
    findPort({ spec: { ...service.spec, ports: list } }, { ...place, ...(port && { port }) })

  t.throws(without(ports, 80), {
    exitCause: 'usage',
    message: /^Service stage\/stage has no port 80\n {2}expected: one of 10000, 443$/
  })
  t.throws(without([]), { message: /^Service stage\/stage has no port\n {2}expected: one of none$/ })
  t.end()
})

t.test('a Service without a selector has no pods to forward to', t => {
  for (const empty of [{}, { spec: {} }, { spec: { ports } }]) {
    t.throws(() => findPort(empty, place), { exitCause: 'usage', message: /selects no pods/ })
  }
  t.equal(selectorOf(service), 'app=stage,tier=one')
  t.end()
})

t.test('https is said by the name or by the protocol', t => {
  t.ok(speaksHttps({ port: 1, name: 'https' }))
  t.ok(speaksHttps({ port: 1, name: 'web', appProtocol: 'HTTPS' }))
  t.notOk(speaksHttps({ port: 1, name: 'http' }))
  t.notOk(speaksHttps({ port: 1, appProtocol: 'http' }))
  t.end()
})

t.test("a pod's port is a number, a name of one of its containers, or the same", t => {
  const containers = [{ name: 'bare' }, { name: 'web', ports: [{ name: 'web', containerPort: 8443 }] }]
  const pod = { spec: { containers } }

  t.equal(targetPort(pod, { port: 80 }), 80)
  t.equal(targetPort(pod, { port: 80, targetPort: 8080 }), 8080)
  t.equal(targetPort(pod, { port: 80, targetPort: 'web' }), 8443)
  t.equal(targetPort(pod, { port: 80, targetPort: 'other' }), undefined)
  t.equal(targetPort({}, { port: 80, targetPort: 'web' }), undefined)
  t.end()
})

t.test('a pod that is leaving or says no is not ready', t => {
  const status = { conditions: [{ type: 'Ready', status: 'True' }] }

  t.ok(isReady({ status }))
  t.notOk(isReady({ status, metadata: { deletionTimestamp: new Date() } }))
  t.notOk(isReady({ status: { conditions: [{ type: 'Ready', status: 'False' }] } }))
  t.notOk(isReady({}))
  t.end()
})
