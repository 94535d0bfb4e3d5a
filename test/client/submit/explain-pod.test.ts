import t from 'tap'
import { isDriver, nameOfPod, troublesOf, whyFailed } from '../../../client/submit/explain-pod.ts'
import { sparkPod } from './fake-cluster.ts'

t.test('a pod is named by its role', async t => {
  t.equal(nameOfPod(sparkPod('executor', 'e-1')), 'executor e-1')
  t.equal(nameOfPod({}), 'pod ')
  t.equal(isDriver({}), false)
  t.equal(isDriver(sparkPod('driver', 'd')), true)
})

t.test('each container that failed or cannot start is told', async t => {
  const pod = sparkPod('driver', 'd', {
    initContainerStatuses: [
      { name: 'fine', state: { terminated: { exitCode: 0 } } },
      {
        name: 'spark-stage-init',
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: { terminated: { exitCode: 10, message: 'refused:\u001b[2J no\n' } }
      },
      { name: 'odd', state: { waiting: { reason: 'ErrImagePull', message: 'no such image' } } },
      { name: 'bare', state: { waiting: { reason: 'InvalidImageName' } } },
      { name: 'early', state: { waiting: { reason: 'PodInitializing' } } },
      { name: 'new' }
    ],
    containerStatuses: [{ name: 'spark', state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } }]
  })

  t.strictSame(troublesOf(pod), [
    'init container spark-stage-init ended with exit code 10 (refused): refused: [2J no',
    'init container odd cannot start: ErrImagePull: no such image',
    'init container bare cannot start: InvalidImageName',
    'container spark ended with exit code 137 (OOMKilled)'
  ])
  t.strictSame(troublesOf({}), [])
})

t.test('a failed pod says why, as far as Kubernetes does', async t => {
  const terminated = { exitCode: 1, reason: 'Error', message: 'Traceback' }
  const containerStatuses = [{ name: 'spark', state: { terminated } }]

  t.equal(
    whyFailed(sparkPod('driver', 'd', { containerStatuses })),
    'container spark ended with exit code 1: Traceback'
  )
  t.equal(
    whyFailed(sparkPod('driver', 'd', { reason: 'Evicted', message: 'low on memory' })),
    'Evicted: low on memory'
  )
  t.match(
    whyFailed(sparkPod('driver', 'd', { reason: 'Evicted', containerStatuses })),
    'Evicted\ncontainer spark'
  )
  t.equal(whyFailed({}), 'Kubernetes gives no reason')
})
