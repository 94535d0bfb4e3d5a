/** What submitting a job asks of Kubernetes; `client/kubernetes` has it, and tests have one of their own. */
export interface JobCluster {
  readonly requestToken: (
    request: {
      readonly namespace: string
      readonly serviceAccount: string
      readonly audience: string
      readonly seconds: number
    },
    signal: AbortSignal
  ) => Promise<string>
  readonly createSecret: (
    secret: {
      readonly namespace: string
      readonly name: string
      readonly labels: Readonly<Record<string, string>>
      readonly annotations: Readonly<Record<string, string>>
      readonly token: string
    },
    signal: AbortSignal
  ) => Promise<void>
  readonly ownSecretByPod: (
    owned: {
      readonly namespace: string
      readonly name: string
      readonly pod: { readonly name: string; readonly uid: string }
    },
    signal: AbortSignal
  ) => Promise<void>
  readonly deleteSecret: (
    secret: { readonly namespace: string; readonly name: string },
    signal: AbortSignal
  ) => Promise<void>
  readonly listSecrets: (selection: PodSelection, signal: AbortSignal) => Promise<readonly JobSecret[]>
  readonly listPods: (selection: PodSelection, signal: AbortSignal) => Promise<readonly JobPod[]>
  readonly watchPods: (
    watched: PodSelection & { readonly onPod: (type: string, pod: JobPod) => void },
    signal: AbortSignal
  ) => Promise<void>
  readonly forward: (
    target: {
      readonly namespace: string
      readonly service: string
      readonly port?: number
      readonly onFailure?: ((line: string) => void) | undefined
    },
    signal: AbortSignal
  ) => Promise<{ readonly port: number; readonly isTls: boolean; readonly close: () => Promise<void> }>
}

/** Which pods or Secrets. */
export interface PodSelection {
  readonly namespace: string
  readonly labelSelector: string
}

/** A Secret as far as a submission looks at it: never at what is in it. */
export interface JobSecret {
  readonly metadata?: {
    readonly name?: string
    readonly labels?: { readonly [key: string]: string }
    readonly annotations?: { readonly [key: string]: string }
    readonly ownerReferences?: readonly object[]
  }
}

/** A pod as far as a submission looks at it. */
export interface JobPod {
  readonly metadata?: {
    readonly name?: string
    readonly uid?: string
    readonly labels?: { readonly [key: string]: string }
  }
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly message?: string
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

/** A container's state as the pod's status has it. */
export interface ContainerStatus {
  readonly name: string
  readonly state?: ContainerState
  readonly lastState?: ContainerState
}

/** At most one of them is there. */
export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly terminated?: Terminated
}

/** How a container ended. */
export interface Terminated {
  readonly exitCode: number
  readonly reason?: string
  readonly message?: string
}
