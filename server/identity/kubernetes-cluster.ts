import type { KubeConfig } from '@kubernetes/client-node'
import { secondMs } from '../../shared/units.ts'

/** An answer of the API server that came in time and is JSON. */
export interface ApiAnswer {
  readonly status: number
  readonly body: unknown
}

/** The one way to the API server. */
export interface Cluster {
  /** What watches are made from. */
  readonly kubeConfig: KubeConfig
  /** The API server's address, for logs. */
  readonly apiServer: string
  /**
   * @param path with its query
   * @param body sent as JSON by POST; without one, GET
   * @param timeoutMs 5 seconds by default
   * @throws Error that shows nothing of what was sent when no answer came in time, or none that is JSON
   */
  ask(path: string, body?: object, timeoutMs?: number): Promise<ApiAnswer>
}

const patienceMs = 5 * secondMs

/** What the Kubernetes client falls back to when it was told of no cluster. */
const fallbackServer = 'http://localhost:8080'

/**
 * The cluster of the kubeconfig that `KUBECONFIG` names, or that of the pod this process runs in. Does not ask it for
 * anything yet. The client is loaded here, because it costs a server that needs none half a second and 60 MiB.
 *
 * @param kubeconfig its text, in place of the above
 * @throws Error that says what was looked for
 */
export async function openCluster(kubeconfig?: string): Promise<Cluster> {
  const { KubeConfig, RequestContext, HttpMethod } = await import('@kubernetes/client-node')
  const { fetch } = await import('undici')
  const kubeConfig = new KubeConfig()
  try {
    if (kubeconfig === undefined) kubeConfig.loadFromDefault()
    else kubeConfig.loadFromString(kubeconfig)
  } catch (cause) {
    throw new Error(`the kubeconfig cannot be used: ${(cause as Error).message}`, { cause })
  }
  const apiServer = kubeConfig.getCurrentCluster()?.server
  if (apiServer === undefined || apiServer === fallbackServer) {
    throw new Error('no Kubernetes cluster: run in a pod with a service account, or set KUBECONFIG')
  }

  async function ask(path: string, body?: object, timeoutMs = patienceMs): Promise<ApiAnswer> {
    const context = new RequestContext(
      apiServer + path,
      body === undefined ? HttpMethod.GET : HttpMethod.POST
    )
    try {
      await kubeConfig.applySecurityAuthentication(context)
    } catch (cause) {
      const reason = (cause as Error).message
      throw new Error(`no credential to ask the API server ${apiServer} with: ${reason}`, { cause })
    }
    // The client makes a new one for each question.
    const dispatcher = context.getDispatcher()
    const answered = fetch(context.getUrl(), {
      method: context.getHttpMethod(),
      headers: { ...context.getHeaders(), accept: 'application/json', 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      ...(dispatcher === undefined ? {} : { dispatcher }),
      // What is sent may be a token: it goes to this server and to no other.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs)
    })
    return answered
      .then(async answer => ({ status: answer.status, body: await answer.json() }))
      .catch((error: Error) => {
        throw new Error(`the API server ${apiServer} gave no answer: ${reasonOf(error)}`)
      })
      .finally(() => void dispatcher?.close())
  }
  return { kubeConfig, apiServer, ask }
}

/** Why a question failed, in words that hold nothing of the question: the innermost code or name. */
function reasonOf(error: Error): string {
  if (error instanceof SyntaxError) return 'it sent no JSON'
  if (error.cause instanceof Error) return reasonOf(error.cause)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
