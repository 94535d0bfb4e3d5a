import type { Cluster } from '../../cluster/cluster.ts'

/** What a search for secrets came to. */
export interface SecretSearch {
  /** Where was looked. */
  readonly places: readonly string[]
  /** `place: which secret`, never the secret. */
  readonly found: readonly string[]
  /** What was looked for. */
  readonly values: readonly string[]
}

/**
 * Looks for every value of every Secret of some namespaces wherever Kubernetes and Spark show something: all objects but
 * Secrets, events, the logs of all containers, and the environment page of a running driver.
 *
 * @param jobs the namespace whose drivers have a page
 */
export async function findSecrets(
  cluster: Cluster,
  namespaces: readonly string[],
  jobs: string
): Promise<SecretSearch> {
  const values = new Map<string, string>()
  const texts = new Map<string, string>()
  for (const namespace of namespaces) {
    const inIt = ['--namespace', namespace]
    const { items } = JSON.parse(
      await cluster.kubectl('get', 'secrets', ...inIt, '--output', 'json')
    ) as Secrets
    for (const { metadata, data = {} } of items) {
      for (const [key, value] of Object.entries(data)) {
        values.set(`${namespace}/${metadata.name}/${key}`, Buffer.from(value, 'base64').toString().trim())
      }
    }
    const kinds = 'pods,configmaps,events,services,deployments,replicasets,serviceaccounts,roles,rolebindings'
    for (const kind of kinds.split(',')) {
      texts.set(`${namespace}: ${kind}`, await cluster.kubectl('get', kind, ...inIt, '--output', 'yaml'))
    }
    const names = 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'
    const pods = await cluster.kubectl('get', 'pods', ...inIt, '--output', names)
    for (const pod of pods.split('\n').filter(name => name !== '')) {
      const log = ['logs', pod, ...inIt, '--all-containers', '--ignore-errors']
      texts.set(`${namespace}: log of ${pod}`, await cluster.kubectl(...log))
    }
  }
  await readPages(cluster, jobs, texts)
  const found = [...texts].flatMap(([place, text]) =>
    [...values].filter(([, value]) => has(text, value)).map(([name]) => `${place}: ${name}`)
  )
  return { places: [...texts.keys()], found, values: [...values.values()] }
}

interface Secrets {
  readonly items: readonly {
    readonly metadata: { readonly name: string }
    readonly data?: Readonly<Record<string, string>>
  }[]
}

/** As it is, and as Secrets have it. */
function has(text: string, value: string): boolean {
  return text.includes(value) || text.includes(Buffer.from(value).toString('base64').replace(/=+$/, ''))
}

/** What Spark's own pages say of the environment, as people and as programs read it. */
async function readPages(cluster: Cluster, namespace: string, texts: Map<string, string>): Promise<void> {
  const selector = ['--selector', 'spark-role=driver', '--field-selector', 'status.phase=Running']
  const name = ['--output', 'jsonpath={.items[0].metadata.name}']
  const pod = await cluster
    .kubectl('get', 'pods', '--namespace', namespace, ...selector, ...name)
    .catch(() => '')
  if (pod === '') return
  const proxy = `/api/v1/namespaces/${namespace}/pods/${pod}:4040/proxy`
  texts.set('environment page', await cluster.kubectl('get', '--raw', `${proxy}/environment/`))
  const applications = JSON.parse(await cluster.kubectl('get', '--raw', `${proxy}/api/v1/applications`))
  const environment = `${proxy}/api/v1/applications/${applications[0].id}/environment`
  texts.set('environment as JSON', await cluster.kubectl('get', '--raw', environment))
}
