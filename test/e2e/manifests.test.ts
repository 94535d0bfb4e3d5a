import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { repositoryPath } from '../integration/helpers/programs.ts'

const cluster = await useCluster()

t.test('the API server takes every overlay, and finds its pods restricted', async t => {
  const namespace = await restrictedNamespace(t)
  const overlays = (await readdir(repositoryPath('deploy/overlays'))).sort()
  t.same(overlays, ['ingress', 'local-disk', 'nodeport', 's3', 'ttl-only'])

  for (const overlay of overlays) {
    const answer = await tryApplying(t, namespace, `deploy/overlays/${overlay}`)

    t.match(answer, 'deployment.apps/spark-stage created (server dry run)', overlay)
  }
})

t.test('the API server takes what gives rights to drivers and submitters', async t => {
  const namespace = await restrictedNamespace(t)

  for (const role of ['spark', 'reach-server']) {
    t.match(await tryApplying(t, namespace, `deploy/rbac/${role}`), /^rolebinding\S+ created/m)
  }
})

t.test('components go together in other ways than the overlays', async t => {
  const namespace = await restrictedNamespace(t)
  for (const store of ['local-disk', 's3']) {
    const components = ['ttl-only', 'tls', 'ingress', 'openshift', store]

    const answer = await tryApplying(t, namespace, 'deploy/base', components)

    t.match(answer, 'deployment.apps/spark-stage created (server dry run)', store)
    t.notMatch(answer, /role/)
  }
})

t.test('ttl-only gives no rights to anyone', async t => {
  const names = await namesIn('overlays/ttl-only')

  t.ok(names.includes('Deployment/spark-stage'))
  t.same(
    names.filter(name => /Role/.test(name)),
    []
  )
})

t.test('a second instance shares no name of the whole cluster with the first', async t => {
  const ofCluster = (name: string) => name.startsWith('ClusterRole')
  const first = (await namesIn('overlays/local-disk')).filter(ofCluster)
  const second = (await namesIn('examples/second-instance')).filter(ofCluster)

  t.equal(first.length, 2)
  t.equal(second.length, 2)
  t.same(
    second.filter(name => first.includes(name)),
    []
  )
})

/** A namespace where a pod that is not restricted is warned of. */
async function restrictedNamespace(t: Test): Promise<string> {
  const namespace = `manifests-${randomBytes(3).toString('hex')}`
  t.teardown(() => cluster.kubectl('delete', 'namespace', namespace, '--wait=false'))
  await cluster.kubectl('create', 'namespace', namespace)
  await cluster.kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/warn=restricted')
  return namespace
}

/** Has the API server check it, and change nothing. @throws Error also for a warning */
async function tryApplying(
  t: Test,
  namespace: string,
  resource: string,
  components: readonly string[] = []
): Promise<string> {
  const folder = await outsideFolder(t)
  const from = (path: string) => relative(folder, repositoryPath(path))
  const kustomization = {
    namespace,
    resources: [from(resource)],
    components: components.map(name => from(`deploy/components/${name}`))
  }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  return await cluster.kubectl('apply', '--dry-run=server', '--warnings-as-errors', '--kustomize', folder)
}

/** What `kubectl kustomize` makes of a folder below `deploy/`, as names: `ClusterRole/spark-stage`. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const text = await cluster.kubectl('kustomize', repositoryPath(`deploy/${folder}`))
  const first = (one: string, pattern: RegExp) => pattern.exec(one)?.[1] ?? 'none'
  return text.split(/^---$/m).map(one => `${first(one, /^kind: (.*)$/m)}/${first(one, /^ {2}name: (.*)$/m)}`)
}
